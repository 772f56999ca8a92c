# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""A line of the doctor's report."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Line:
    """What was found about one subject."""

    subject: str
    """What was looked at, in a word or two."""

    level: Literal["ok", "warning", "problem"]
    """``problem``: something that is needed does not work. ``warning``: it works, but not as it could."""

    finding: str
    """What was found."""

    remedy: str = ""
    """What to do; never empty for a problem."""

    def __str__(self) -> str:
        """The line as it is printed."""
        return f"{self.level:7}  {self.subject:16}  {self.finding}" + (f"  ->  {self.remedy}" if self.remedy else "")
