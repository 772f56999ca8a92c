# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""What the program says when the user's input cannot be used."""

from __future__ import annotations


class InputError(ValueError):
    """Input that cannot be used: one sentence with what is wrong, where, and the remedy.

    The command line prints the message as one line and exits with code 2; no traceback.
    """


class NonFiniteError(RuntimeError):
    """An observation, reward, action or weight is NaN or infinite, and training has stopped."""


class ClipError(InputError):
    """A clip that cannot be used, on any machine and however it is set up: another clip may do."""


def first_line(error: BaseException) -> str:
    """What another library's error says, short enough to be part of a sentence."""
    text = (str(error).strip() or type(error).__name__).splitlines()[0]
    return text[:160].rstrip(".:, ")
