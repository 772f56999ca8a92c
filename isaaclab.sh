#!/usr/bin/env bash
# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause
#
# Sets up nil_ext once (Python 3.12, .venv, the pinned packages), then hands over to Isaac Lab's own command line.

set -euo pipefail

usage() {
    cat <<'EOF'
usage: ./isaaclab.sh -p SCRIPT [ARGS...]   run a script (or -m MODULE) with Isaac Lab's Python
       ./isaaclab.sh -t [PYTEST ARGS...]   run the tests, from the repository's root
       ./isaaclab.sh -i                    set up .venv, or install again what it lacks
       ./isaaclab.sh COMMAND [ARGS...]     any other Isaac Lab command: list_envs, train, play, ...

Every form but this help first sets up .venv, once. An active virtual or conda environment that holds both
isaaclab and nil_ext is used as it is. For Isaac Lab's own help: ./isaaclab.sh -p -m isaaclab --help
EOF
}

say() { printf 'isaaclab.sh: %s\n' "$*" >&2; }

die() {
    say "error: $*"
    exit 1
}

# The checkout this file lies in, whatever folder or symbolic link it was called through.
repository() {
    local file="${BASH_SOURCE[0]}" target
    while [ -L "$file" ]; do
        target="$(readlink "$file")"
        case "$target" in
            /*) file="$target" ;;
            *) file="$(dirname -- "$file")/$target" ;;
        esac
    done
    CDPATH='' cd -P -- "$(dirname -- "$file")" && pwd
}

repo="$(repository)"
venv="$repo/.venv"
stamp="$venv/nil_ext.stamp"

# What the installed set depends on, as one line. No Python starts, so a set-up checkout answers in milliseconds.
fingerprint() {
    local sum=(sha256sum)
    command -v sha256sum >/dev/null || sum=(shasum -a 256)
    cat "$repo/pyproject.toml" "$repo/constraints.txt" "$venv/pyvenv.cfg" | "${sum[@]}" | cut -d ' ' -f 1
}

write_stamp() {
    printf '%s\n' "$*" >"$stamp.new"
    mv -f "$stamp.new" "$stamp"
}

# The stamp's last field is the folder that .venv was made in: a moved checkout has an environment of broken paths.
is_current() { [ -x "$venv/bin/python" ] && [ "$(cat "$stamp" 2>/dev/null)" = "$(fingerprint) $repo" ]; }

# Whether the environment in folder $1 holds the distribution $2.
holds() { compgen -G "$1/lib/python3.12/site-packages/$2-*.dist-info" >/dev/null; }

# Whether an installer has put anything into .venv, or taken anything away, since the stamp was written.
has_changed() { [ -n "$(find "$venv/lib/python3.12/site-packages" -maxdepth 1 -newer "$stamp" 2>/dev/null)" ]; }

# Prints the interpreter behind $1 if that is Python 3.12: never an environment's, which may be about to be replaced.
# pyenv's shims are found but refuse to run unless their version is selected, so only a real start counts.
real_python312() {
    "$1" -c '
import os, sys, venv
if sys.version_info[:2] != (3, 12):
    sys.exit(1)
print(os.path.join(sys.base_prefix, "bin", "python3.12"))' 2>/dev/null
}

find_uv() {
    local candidate
    while IFS= read -r candidate; do
        if "$candidate" --version >/dev/null 2>&1; then
            printf '%s\n' "$candidate"
            return
        fi
    done < <(type -aP uv; printf '%s\n' "$venv/bin/uv")
    return 1
}

list_pythons() {
    type -aP python3.12 python3 python || true
    {
        printf '%s\n' "${PYENV_ROOT:-}" "${HOME:-}/.pyenv"
        type -aP python3.12 | sed -n 's|/shims/python3.12$||p'
    } | while IFS= read -r root; do
        compgen -G "$root/versions/3.12*/bin/python3.12" || true
    done
}

# The first Python 3.12 among the commands named on the standard input.
first_python312() {
    local candidate
    while IFS= read -r candidate; do
        real_python312 "$candidate" </dev/null && return
    done
    return 1
}

find_python() {
    local uv
    first_python312 < <(list_pythons) && return
    uv="$(find_uv)" || return 1
    first_python312 < <("$uv" python find --system --no-project 3.12 2>/dev/null) && return
    say "no Python 3.12 on this machine: uv tries to install one"
    "$uv" python install --quiet 3.12 >&2 || return 1
    first_python312 < <("$uv" python find --system --no-project 3.12)
}

# $@: the pip to use.
pip_install_uv() { "$@" install --quiet --disable-pip-version-check -c "$repo/constraints.txt" uv; }

make_venv() {
    local python uv place
    # Another folder's files may lie where a link leads: only an environment, this script's or another's, is replaced.
    [ -f "$stamp" ] || [ -f "$venv/pyvenv.cfg" ] || [ ! -d "$venv" ] ||
        [ -z "$(find "$venv/" -mindepth 1 -maxdepth 1)" ] ||
        die "$venv holds files but no environment: empty it or let it lead to an empty folder, then run this again."
    python="$(find_python)" || die "no Python 3.12 found (on PATH, in pyenv, through uv). Install one, for example" \
        "'sudo apt install python3.12 python3.12-venv' or 'pyenv install 3.12', then run this again."
    say "making $venv with $python"
    mkdir -p "$venv"
    find "$venv/" -mindepth 1 -delete # not rm: a .venv that is a link to a bigger disk stays one
    write_stamp "unfinished $repo"
    place="$(CDPATH='' cd -P -- "$venv" && pwd)" # Python's venv module refuses a link
    if uv="$(find_uv)"; then
        "$uv" venv --quiet --no-project --allow-existing --python "$python" "$place"
    elif ! "$python" -m venv "$place" >/dev/null 2>&1; then
        # Debian's Python comes without ensurepip, but its own pip can fill another environment.
        "$python" -m venv --without-pip "$place"
        pip_install_uv "$python" -m pip --python "$venv/bin/python" ||
            die "$python can fill no environment: install its venv module (Debian: python3.12-venv) or uv."
    fi
}

install_packages() {
    local uv options=(--python "$venv/bin/python" -c constraints.txt)
    [ -t 2 ] || options+=(--quiet)
    if ! uv="$(find_uv)"; then
        say "installing uv, which installs the rest"
        pip_install_uv "$venv/bin/python" -m pip ||
            die "pip could not install uv (see above): check the network or pip's settings, then run this again."
        uv="$venv/bin/uv"
    fi
    say "installing the pinned packages (half a minute when cached, else several gigabytes to fetch)"
    # From the repository's root, where uv reads tool.uv.
    (cd "$repo" && "$uv" pip install "${options[@]}" -e '.[dev,viewers]' &&
        write_stamp "$(cat "$stamp")" && # what is newer than the stamp is of a pass that has not ended
        # sam2's build imports torch, which is there only now.
        "$uv" pip install "${options[@]}" -e '.[sam2]') ||
        die "the installation did not finish (see above): check network and disk space, then run this again."
}

# Brings .venv to what the stamp asks for, one caller at a time; where $again is true, also if it asks for nothing.
set_up() {
    local hash="" home="" before begun=unfinished start=$SECONDS
    $again || ! is_current || return 0
    if command -v flock >/dev/null && { exec 9>"$venv.lock"; } 2>/dev/null && ! flock -n 9; then
        say "waiting for another isaaclab.sh that is setting up $venv"
        flock 9 || true
        is_current && exec 9>&- && return
    fi
    # Like pip, trust the certificates that the machine trusts: behind a company's proxy uv's own are not enough.
    [ ! -d /etc/ssl/certs ] || export UV_SYSTEM_CERTS="${UV_SYSTEM_CERTS:-true}"
    [ ! -f "$stamp" ] || read -r hash home <"$stamp" || true
    if [ -z "$hash" ] && [ -x "$venv/bin/python" ]; then
        # Made by the user's own hand: filled where it lacks the packages, else theirs to keep up to date.
        real_python312 "$venv/bin/python" >/dev/null ||
            die "$venv is not Python 3.12 and not from this script: move it away, then run this again."
        ! $again && holds "$venv" isaaclab && holds "$venv" nil_ext && exec 9>&- && return
        begun=theirs
    elif [ "$hash" = theirs ] && [ "$home" = "$repo" ] && real_python312 "$venv/bin/python" >/dev/null; then
        begun=theirs
    elif [ "$hash" = unfinished ] || [ "$home" != "$repo" ] || ! real_python312 "$venv/bin/python" >/dev/null; then
        [ -z "$hash" ] || say "$venv is unfinished, moved or broken: making it anew"
        make_venv
    fi
    # An interrupted installer can leave half a package that looks whole: only a full pass counts from here on.
    # What a user made is gone on with all the same: it is not ours to empty.
    before="$(cat "$stamp" 2>/dev/null)" || true
    write_stamp "$begun $repo"
    # One that gives up before it changes anything, without a network, leaves what was there: that is not made anew for it.
    (install_packages) || { has_changed || write_stamp "$before"; exit 1; }
    write_stamp "$(fingerprint) $repo"
    say "ready after $((SECONDS - start)) s"
    exec 9>&-
}

# Sets and activates `prefix`: the active environment if it already holds the packages, else .venv.
choose_environment() {
    for prefix in "${VIRTUAL_ENV:-}" "${CONDA_PREFIX:-}" "$venv"; do
        if [ -z "$prefix" ]; then
            continue
        elif [ "$prefix" = "$venv" ] || [ "$prefix" -ef "$venv" ]; then
            set_up
            break
        elif holds "$prefix" isaaclab && holds "$prefix" nil_ext; then
            grep -qsxF "$repo/source" "$prefix"/lib/python3.12/site-packages/*nil_ext*.pth ||
                say "note: the active $prefix holds another nil_ext than this checkout's ('uv pip install -e .')"
            break
        elif holds "$prefix" isaaclab; then
            say "the active $prefix has isaaclab but no nil_ext ('uv pip install -e .' there makes it used); using $venv"
        fi
    done
    # Isaac Lab asks VIRTUAL_ENV first, then CONDA_PREFIX.
    unset PYTHONHOME VIRTUAL_ENV
    [ "$prefix" = "${CONDA_PREFIX:-}" ] || export VIRTUAL_ENV="$prefix"
    export PATH="$prefix/bin:$PATH"
}

# `isaaclab -p` keeps a parent alive that kills the script 0.25 s after Ctrl-C and passes no other signal on. Its
# last step is made an exec instead: the script gets the signals, the terminal and the exit code to itself. What
# started all this may have blocked them, which a script inherits and Python never undoes: it could not be stopped.
hand_over='
import os, signal, sys
from isaaclab.cli import cli, utils

def replace(command, env=None, **_):
    sys.stdout.flush()
    signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGINT, signal.SIGTERM))
    os.execvpe(command[0], command, env or os.environ)

utils.run_command = replace
sys.argv[0] = "isaaclab"
cli()
'

again=false
case "${1-}" in
    "" | -h | --help)
        usage
        exit
        ;;
    -i | --install) again=true ;;
esac
choose_environment
case "$1" in
    -i | --install)
        [ "$prefix" = "$venv" ] || [ "$prefix" -ef "$venv" ] ||
            say "the active $prefix is yours to keep up to date: \"uv pip install -c constraints.txt -e" \
                "'.[dev,viewers]'\" in it installs the pinned packages"
        say "$prefix is set up"
        ;;
    -p | --python) exec "$prefix/bin/python" -P -c "$hand_over" "$@" ;;
    -t | --test)
        shift
        holds "$prefix" pytest || die "$prefix has no pytest: run \"uv pip install -e '.[dev]'\" in it."
        cd -- "$repo"
        exec "$prefix/bin/python" -m pytest "$@"
        ;;
    *) exec "$prefix/bin/isaaclab" "$@" ;;
esac
