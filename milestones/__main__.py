"""The evaluator without the site: ``python -m milestones evaluate MILESTONE PATH``, ``… kit MILESTONE FILE.zip`` and
``… doctor``."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from milestones.contract import OurTrouble, UnusableInput
from milestones.progress import clear_progress, show_progress
from milestones.report import as_json, report

DONE, UNUSABLE, OUR_TROUBLE = 0, 2, 3


def main(arguments: list[str] | None = None) -> int:
    """Run one command. Exit 0: carried out, whatever the score. 2: unusable input. 3: our own machinery failed."""
    options = _parser().parse_args(arguments)
    try:
        return options.command(options)
    except UnusableInput as error:
        return _complain(str(error), UNUSABLE)
    except OurTrouble as error:
        return _complain(f"The evaluator itself failed; this says nothing about the package: {error}", OUR_TROUBLE)
    except KeyboardInterrupt:
        return _complain("Stopped.", 130)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m milestones", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    evaluate = commands.add_parser("evaluate", help="assess a package on one milestone")
    evaluate.add_argument("milestone", help="number or slug, such as 1 or basic-inference")
    evaluate.add_argument("path", type=Path, help="archive, folder or .py file")
    evaluate.add_argument("--seed", type=int, help="repeat an earlier draw; fresh and secret unless given")
    evaluate.add_argument("--datasets", type=Path, metavar="DIR", help="folder of data sets (default: $DATASETS_DIR)")
    evaluate.add_argument(
        "--json", type=Path, metavar="FILE", help="write the whole result as JSON ('-' for the terminal)"
    )
    evaluate.add_argument("--bare", action="store_true", help="without a sandbox: only for code that you trust")
    evaluate.set_defaults(command=_evaluate)
    kit = commands.add_parser("kit", help="write a milestone's starter kit")
    kit.add_argument("milestone", help="number or slug")
    kit.add_argument("file", type=Path, metavar="FILE.zip")
    kit.set_defaults(command=_kit)
    doctor = commands.add_parser("doctor", help="test the sandbox of this machine")
    doctor.set_defaults(command=_doctor)
    return parser


def _evaluate(options: argparse.Namespace) -> int:
    from milestones.evaluate import evaluate

    if options.datasets is not None and not options.datasets.is_dir():
        raise UnusableInput(f"The data set folder {options.datasets} does not exist.")
    if options.seed is not None and not 0 <= options.seed < 1 << 63:
        raise UnusableInput("The seed must be a whole number from 0 to 9223372036854775807.")
    try:
        result = evaluate(
            options.milestone,
            options.path,
            seed=options.seed,
            datasets=options.datasets,
            on_progress=show_progress(),
            bare=options.bare,
        )
    except KeyError as error:
        raise UnusableInput(str(error.args[0])) from error
    clear_progress()
    text = json.dumps(as_json(result), indent=2, ensure_ascii=False, allow_nan=False)
    if options.json is not None and str(options.json) == "-":
        print(text)
        return DONE
    if options.json is not None:
        try:
            options.json.write_text(text + "\n", encoding="utf-8")
        except OSError as error:
            raise UnusableInput(f"The result can't be written to {options.json}: {error.strerror}.") from error
    print(report(result))
    return DONE


def _kit(options: argparse.Namespace) -> int:
    from milestones import registry
    from milestones.kits import contents

    try:
        options.file.write_bytes(contents.pack(registry.get(options.milestone)))
    except KeyError as error:
        raise UnusableInput(str(error.args[0])) from error
    except OSError as error:
        raise UnusableInput(f"The kit can't be written to {options.file}: {error.strerror}.") from error
    print(f"Wrote {options.file}.")
    return DONE


def _doctor(options: argparse.Namespace) -> int:
    from milestones.sandbox.probe import probe

    results = probe()
    for result in results:
        print(f"{'ok    ' if result.passed else 'FAILED'} {result.name}: {result.detail}")
    if all(result.passed for result in results):
        return DONE
    return _complain("The sandbox of this machine can't be trusted; no student code is run here.", OUR_TROUBLE)


def _complain(sentence: str, code: int) -> int:
    print(sentence, file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
