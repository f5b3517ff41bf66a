"""Whether the GPT is built of what earlier milestones built: by the calls that it makes, and by what its source says.

A copy of an earlier component inherits and calls so much of the rest that the share of calls hardly shows it: of the components
that the GPT needs, those that are written a second time count as not reused.

Which functions are called, and how often, is the sandboxed side's word. So a call only counts where the upload's own source
has such a function at that line, and where the source says that the language modules use the earlier ones. The inspector
reads that from the syntax trees, where nothing of the upload is executed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from milestones import exhibits
from milestones.checks.gpt import LENGTH, SMALL
from milestones.checks.outcome import check, not_run, statement
from milestones.contract import Measurement, Status
from milestones.lab import Lab
from milestones.proxy import Student
from milestones.proxy.language import Called
from milestones.source import Outline, Source
from milestones.student.operations import COMPONENT_NAMES

LANGUAGE = ("gelu", "layer_norm", "embedding", "positions", "attention", "gpt", "tokenizer")
#: Names that only language modules define, besides those of the components.
LANGUAGE_NAMES = frozenset(name for component in LANGUAGE for name in COMPONENT_NAMES[component]) | {
    *("TransformerBlock", "Block", "DecoderBlock", "EncoderLayer", "FeedForward", "MLP", "EmbeddingLayer"),
    *("scaled_dot_product_attention", "create_causal_mask", "causal_mask", "BPETokenizer", "KVCache"),
}
EARLIER_NAMES = frozenset(
    name for component, names in COMPONENT_NAMES.items() if component not in LANGUAGE for name in names
) | {"GELU", "Gelu"}
#: GELU, and names such as MLP, may stand in any module without making it one of language.
NEUTRAL = frozenset({"GELU", "Gelu", "MLP"})
REUSE_MARK = 0.95
#: Of all calls, the part that a single function may make without a person having a look.
ONE_FUNCTION = 0.6
#: Calls of one backward function for one look at the small GPT, whose graph has some hundred operations.
MOST_BACKWARD = 20_000


@check("executed_calls", "Which functions a GPT calls")
def executed_calls(student: Student, lab: Lab) -> Measurement:
    """Count the calls of one look forward and backward; what they say is held against the source later."""
    ids = lab.random("executed_calls").integers(0, SMALL.vocabulary, size=(2, LENGTH))
    called = student.calls(SMALL, ids)
    lab.claims["calls"] = called
    lab.claims["components"] = dict(student.load().components)
    total = sum(call.times for call in called)
    backward = max((call for call in called if "backward" in call.name.lower()), key=lambda c: c.times, default=None)
    repeated = backward is not None and backward.times > MOST_BACKWARD
    message = f"{total:,} calls of {len(called)} functions of the package."
    if repeated:
        message += f" {backward.name} alone was called {backward.times:,} times for one look at a tiny GPT."
    return statement(
        executed_calls.key,
        executed_calls.title,
        right=total > 0,
        message=message,
        evidence={
            "calls": total,
            "functions": len(called),
            "backward_repeats": repeated,
            "largest_backward": None if backward is None else [backward.name, backward.file, backward.times],
        },
    )


@check("component_reuse", "Share of calls that land in components of earlier milestones", also=("same_components",))
def component_reuse(source: Source, lab: Lab) -> list[Measurement]:
    """Calls as counted inside, those of functions that the source does not have aside; and what the source says."""
    called: list[Called] = lab.claims.get("calls", [])
    if not called:
        return [
            not_run(key, title, "the GPT could not be run, so no calls were counted")
            for key, title in ((component_reuse.key, component_reuse.title), ("same_components", SAME_TITLE))
        ]
    modules = Modules(source.outlines())
    counts: Counter[bool] = Counter()
    functions: list[tuple[int, str, str, bool]] = []
    unknown = 0
    for call in called:
        if not modules.has(call):
            unknown += call.times
            continue
        earlier = modules.is_earlier(call)
        counts[earlier] += call.times
        functions.append((call.times, call.name, call.file, earlier))
    functions.sort(reverse=True)
    total = sum(counts.values())
    share = counts[True] / total if total else 0.0
    largest = functions[0][0] / total if functions else 0.0
    called_here = {call.name.partition(".")[0] for call in called if modules.has(call) and not modules.is_earlier(call)}
    rewritten = modules.rewritten() & called_here
    uses = modules.used_by_language()
    own = len(rewritten) / max(len(rewritten | uses), 1)
    lab.exhibit(
        exhibits.table(
            "calls",
            "Which functions does the GPT call most?",
            ["Function", "File", "Calls", "Of"],
            [
                [name, file, times, "earlier milestones" if earlier else "this milestone"]
                for times, name, file, earlier in functions[:30]
            ],
        )
    )
    believable = bool(uses) or modules.language_files == 0
    evidence: dict[str, Any] = {
        "calls": total,
        "unknown_calls": unknown,
        "uses": sorted(uses)[:30],
        "rewritten": sorted(rewritten)[:20],
        "one_function_dominates": largest > ONE_FUNCTION or unknown > total,
        "claimed_share": round(share, 4),
        "rewritten_share": round(own, 4),
    }
    words = f"{share:.1%} of {total:,} calls land in components of earlier milestones"
    if not believable:
        words = "The source of the language modules uses none of the earlier components, whatever was counted"
    if rewritten:
        words += (
            f"; of the {len(rewritten | uses)} that it needs, {len(rewritten)} are written a second time: "
            f"{', '.join(sorted(rewritten)[:5])}"
        )
    share = share * (1 - own) if believable else 0.0
    measured = Measurement(
        key=component_reuse.key,
        title=component_reuse.title,
        kind="share",
        status=Status.PASSED if share >= REUSE_MARK else Status.PARTIAL if share else Status.WRONG,
        value=round(share, 4),
        n=total,
        passed=share >= REUSE_MARK,
        message=f"{words}.",
        evidence=evidence,
    )
    return [measured, _same_components(called, lab, modules)]


SAME_TITLE = "The GPT computes with the very layers of the earlier milestones"


def _same_components(called: list[Called], lab: Lab, modules: Modules) -> Measurement:
    """Whether the dense layer and the tensor that milestones 1 to 3 are measured with are those that the GPT calls."""
    components: Mapping[str, str] = lab.claims.get("components", {})
    names = {call.name.partition(".")[0] for call in called if modules.has(call) and modules.is_earlier(call)}
    wanted = {name: components.get(name, "").rpartition(".")[2] for name in ("tensor", "dense")}
    absent = [f"{name} ({cls})" if cls else name for name, cls in wanted.items() if cls not in names]
    return statement(
        "same_components",
        SAME_TITLE,
        right=not absent,
        message=f"The GPT never calls: {', '.join(absent)}."
        if absent
        else f"The GPT calls the same {' and '.join(wanted.values())} that images go through.",
        evidence={"absent": absent},
    )


# -- what the source says ----------------------------------------------------------------------------------------------


class Modules:
    """The files of a package, each of this milestone or of earlier ones.

    A file is of this milestone where it defines a part of a GPT, and of earlier ones where it defines none. In a file that
    defines both kinds, such as a framework in one file, each top-level class or function counts for itself: it is of
    earlier milestones where it is an earlier component, or is mentioned by one.
    """

    def __init__(self, outlines: Mapping[str, Outline]) -> None:
        self._modules = outlines
        self._language = {
            name for name, module in outlines.items() if module.definitions.keys() & LANGUAGE_NAMES - NEUTRAL
        }
        # Earlier components that a file of earlier milestones has: elsewhere they are copies.
        self._at_home = {
            component
            for name, module in outlines.items()
            if name not in self._language
            for component in module.definitions
            if component in EARLIER_NAMES
        }
        self._mixed = {
            name: _mentioned_by_earlier(module, self._at_home)
            for name, module in outlines.items()
            if name in self._language and module.definitions.keys() & EARLIER_NAMES - NEUTRAL
        }

    @property
    def language_files(self) -> int:
        return len(self._language)

    def has(self, call: Called) -> bool:
        """Whether the source has a function of that name at that line. Decorators begin a function above its ``def``."""
        module = self._modules.get(call.file)
        last = call.name.rpartition(".")[2]
        if module is None:
            return False
        if last in ("<lambda>", "<listcomp>", "<genexpr>", "<dictcomp>", "<setcomp>", "<module>"):
            return True
        return (last, call.line) in module.functions

    def is_earlier(self, call: Called) -> bool:
        if call.file in self._mixed:
            return call.name.partition(".")[0] in self._mixed[call.file]
        return call.file not in self._language

    def rewritten(self) -> set[str]:
        """Earlier components that a language file defines although another file has them."""
        return {
            component
            for name in self._language
            for component in self._modules[name].classes
            if component in self._at_home - NEUTRAL
        }

    def used_by_language(self) -> set[str]:
        """Earlier components that language files import, or that stand in the same file, and mention in their code."""
        return {
            mentioned
            for name in self._language
            for definition, mentions in self._modules[name].definitions.items()
            if definition not in EARLIER_NAMES
            for mentioned in mentions
            if mentioned in EARLIER_NAMES
        }


def _mentioned_by_earlier(module: Outline, copies: set[str]) -> set[str]:
    """Top-level names of a file that are earlier components, and no copies, or are mentioned by one, and so on."""
    waiting = [name for name in module.definitions if name in EARLIER_NAMES - copies]
    found: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name in found or name in LANGUAGE_NAMES - NEUTRAL:
            continue
        found.add(name)
        waiting += [other for other in module.definitions[name] if other in module.definitions]
    return found
