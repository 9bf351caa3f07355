"""A small flag system with a command line: one file a flag, which the script reads, sets and turns off."""

from pathlib import Path

from blocks import CommandFlag

_SCRIPT = """\
#!/bin/sh
# flags.sh FOLDER read|set|zero FLAG [EXPOSURE EPOCH] -- a FOLDER/broken file makes it answer errors.
set -eu
folder=$1 verb=$2 flag=$3
if [ -e "$folder/broken" ]; then echo "HTTP 500 from the flag API" >&2; exit 22; fi
if [ -e "$folder/broken-$verb" ]; then echo "HTTP 500 from $verb" >&2; exit 22; fi
case $verb in
  read) if [ -e "$folder/$flag" ]; then cat "$folder/$flag"; else echo null; fi ;;
  set) printf '{"exposure": %s, "epoch": %s}' "$4" "$5" > "$folder/$flag.new"; mv "$folder/$flag.new" "$folder/$flag" ;;
  zero) printf '{"exposure": {"layers": [], "attribute": "group", "always_on": [], "always_off": []}, "epoch": %s}' \\
    "${4:-0}" > "$folder/$flag.new"; mv "$folder/$flag.new" "$folder/$flag" ;;
esac
"""


def command_flag(folder: Path, *, zero_knows_epochs: bool = True) -> CommandFlag:
    """The backend over the script, its flags in `folder`."""
    script = folder / "flags.sh"
    script.write_text(_SCRIPT)
    script.chmod(0o755)
    call = (str(script), str(folder))
    zero = (*call, "zero", "{flag}", "{epoch}") if zero_knows_epochs else (*call, "zero", "{flag}")
    return CommandFlag(
        read_command=(*call, "read", "{flag}"),
        set_command=(*call, "set", "{flag}", "{exposure_json}", "{epoch}"),
        zero_command=zero,
        timeout_seconds=5,
        propagation_seconds=1,
        environment="rehearsal",
    )
