"""A process that guards one rollout of the kit's journal until it is killed, as a wave's run or the watch does."""

import sys
import threading

from blocks.kit import read_kit
from console.home import kit_path
from engine.rollout.evaluation import evaluate
from engine.rollout.session import OpenRollout, utc_now


def main() -> None:
    """Say that it is here, and look once a second."""
    run = OpenRollout(read_kit(kit_path()), sys.argv[1])
    print("here", flush=True)
    run.wait_for_claim()
    while True:
        evaluate(run, utc_now(), review=False)
        threading.Event().wait(1)


if __name__ == "__main__":
    main()
