"""What a GPT writes: how its own generate() behaves, whether it learns a language in the sandbox, and whether what it then
writes can be read."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from milestones import exhibits, reference
from milestones.checks.gpt import SMALL
from milestones.checks.outcome import accuracy, check, failed, sentence_of, statement
from milestones.contract import Exhibit, Measurement, Status
from milestones.datasets.grammar import some_words, write_sentences
from milestones.lab import Lab
from milestones.proxy import Student
from milestones.proxy.language import GPTFacts, GPTSizes
from milestones.rubric import interpolate
from milestones.sandbox.session import StudentFault, StudentSide, StudentTimedOut
from milestones.student.operations import Fault

# -- the tokenizer -----------------------------------------------------------------------------------------------------

HASH_SEEDS = (11, 12)


@check("tokenizer_round_trip", "The tokenizer gives back the text", also=("vocabulary_order",))
def tokenizer(student: Student, lab: Lab) -> list[Measurement]:
    """decode(encode(text)) is the text, each character has a number of its own, and the same corpus gives the same numbers
    in another process, in which Python's sets have another order."""
    random = lab.random("tokenizer")
    corpus = write_sentences(random, 2_000)
    text = corpus[200:500]
    ids, back, size = student.tokenize(corpus, text)
    numbers = dict(zip(text, ids.tolist(), strict=False))
    findings = {
        "the text comes back": back == text,
        "one number for each character": len(ids) == len(text) and len(set(numbers.values())) == len(numbers),
        "numbers fit the vocabulary": size < 0 or bool((ids >= 0).all() and (ids < size).all()),
        "the vocabulary is as large as the corpus needs": size < 0 or size >= len(set(corpus)),
    }
    wrong = [name for name, right in findings.items() if not right]
    shown = f" “{text[:30]}” came back as “{back[:30]}”." if "the text comes back" in wrong else ""
    round_trip = statement(
        tokenizer.key,
        tokenizer.title,
        right=not wrong,
        message=f"Not so: {', '.join(wrong)}.{shown}" if wrong else "Every text comes back as it was.",
        evidence={"wrong": wrong, "vocabulary": size},
    )
    return [round_trip, _order(student, corpus, text, ids)]


def _order(student: Student, corpus: str, text: str, ids: NDArray[np.int64]) -> Measurement:
    key, title = "vocabulary_order", "The same corpus gives the same numbers in every run"
    others = []
    for hash_seed in HASH_SEEDS:
        student.start_afresh(hash_seed=hash_seed)
        others.append(student.tokenize(corpus, text)[0])
    changed = [other for other in others if not np.array_equal(other, ids)]
    return statement(
        key,
        title,
        right=not changed,
        message="The numbers of characters change from run to run: a saved model can't read its own text any more."
        if changed
        else "The numbers of characters are the same in three processes with differently ordered sets.",
        evidence={"order_changes": bool(changed)},
    )


# -- generate() --------------------------------------------------------------------------------------------------------

PROMPTS = 8
PROMPT_LENGTH = 4
COLD, WARM = 0.05, 1.0


@check("generate", "generate() continues a prompt", also=("generate_temperature", "generate_beyond_context"))
def generate(student: Student, lab: Lab) -> list[Measurement]:
    """Length, prompt and range of what is generated; a low temperature takes the likeliest token; texts longer than the
    context."""
    student.build_gpt(SMALL)
    student.shake(draw=lab.public_seed("generate") % (1 << 31), far=0.6)
    prompts = lab.random("generate").integers(0, SMALL.vocabulary, size=(PROMPTS, 1, PROMPT_LENGTH))
    return [_length(student, prompts[0]), _temperature(student, prompts), _context(student, prompts[0])]


def _added(prompt: NDArray, tokens: NDArray) -> tuple[NDArray, bool]:
    """What was added to a prompt, and whether the prompt stands before it."""
    start = prompt.reshape(-1)
    kept = len(tokens) >= len(start) and np.array_equal(tokens[: len(start)], start)
    return (tokens[len(start) :], True) if kept else (tokens, False)


def _length(student: Student, prompt: NDArray) -> Measurement:
    count = SMALL.context - PROMPT_LENGTH
    added, _ = _added(prompt, student.generate(prompt, count, temperature=WARM))
    again, _ = _added(prompt, student.generate(prompt, count, temperature=WARM))
    in_range = bool(((added >= 0) & (added < SMALL.vocabulary)).all())
    right = len(added) == count and in_range
    return statement(
        generate.key,
        generate.title,
        right=right,
        message=f"{len(added)} tokens were added to the prompt, asked for {count}."
        if len(added) != count
        else ("All" if in_range else "Not all") + " tokens are in the vocabulary.",
        evidence={"added": len(added), "asked": count, "repeatable": bool(np.array_equal(added, again))},
    )


def _temperature(student: Student, prompts: NDArray) -> Measurement:
    """First tokens at a very low temperature against the likeliest ones by the scores; where two are nearly as likely, either
    may come."""
    key, title = "generate_temperature", "A low temperature takes the likeliest token"
    scores = student.gpt_scores(prompts[:, 0], SMALL.vocabulary)[:, -1].astype(np.float64)
    ranked = np.sort(scores, axis=1)
    clear = ranked[:, -1] - ranked[:, -2] > 12 * COLD
    cold = [
        _first(prompt, student.generate(prompt, 1, temperature=COLD, draw=i + 1)) for i, prompt in enumerate(prompts)
    ]
    right = int(
        sum(token == best for token, best, sure in zip(cold, scores.argmax(axis=1), clear, strict=True) if sure)
    )
    asked = int(clear.sum())
    warm = [_first(prompts[0], student.generate(prompts[0], 1, temperature=WARM, draw=i + 1)) for i in range(12)]
    varies = len(set(warm)) > 1
    expected = float(np.max(reference.softmax(scores[:1])))
    # Twelve draws that are all alike are a surprise only where no token takes nearly all of the probability.
    stuck = not varies and expected < 0.6
    finite = bool(np.isfinite(scores).all())
    good = finite and asked in (0, right)
    message = f"{right} of {asked} first tokens at temperature {COLD} are the likeliest."
    if not finite:
        message = "The scores of the next token are not finite numbers, so none is the likeliest."
    if stuck:
        message += " At temperature 1 the same token comes every time."
    return statement(
        key,
        title,
        right=good and not stuck,
        message=message,
        evidence={
            "right": right,
            "asked": asked,
            "varies": varies,
            "ignored": asked > 2 and right < asked,
            "stuck": stuck,
        },
    )


def _first(prompt: NDArray, tokens: NDArray) -> int:
    added, _ = _added(prompt, tokens)
    return int(added[0]) if len(added) else -1


def _context(student: Student, prompt: NDArray) -> Measurement:
    """A text that grows beyond the context: the last part of it is looked at, or generate() stops there."""
    key, title = "generate_beyond_context", "A text may become longer than the context"
    count = 2 * SMALL.context
    try:
        added, _ = _added(prompt, student.generate(prompt, count, temperature=WARM))
    except StudentFault as fault:
        measured = failed(key, title, fault)
        words = (
            f"generate() fails once the text is longer than the context of {SMALL.context} ({sentence_of(fault)}); hand the "
            "model the last tokens only."
        )
        return replace(measured, message=words, evidence={**measured.evidence, "fails_beyond_context": True})
    return statement(
        key,
        title,
        right=len(added) > 0,
        message=f"{len(added)} tokens were added with a context of {SMALL.context}"
        + ("." if len(added) == count else ": it stops there."),
        evidence={"added": len(added), "stops": len(added) < count},
    )


# -- learning a language -----------------------------------------------------------------------------------------------

STEPS = 1_000
BATCH = 8
CONTEXT = 32
RATE = 0.005
#: Of the rate, what is left in the last step.
LAST_RATE = 0.05
TRAINING_CHARACTERS, HELD_OUT = 300_000, 20_000
TRAINING_LOOKS = 10
LOOK_TEXTS, FINAL_TEXTS = 16, 128
TRAINING_SHARE = 0.75
MARGIN = 1.5
#: Bits per character below that of a model which only knows how frequent each character is.
LEARNS_BY = 0.3
GRAMMAR_BITS = 1.2
#: A model of the corpus that knows no more than the last character needs 3.60 bits.
CORPUS_BITS = 3.4
STREAMS, STREAM_LENGTH = 16, 64
LONG_WORD = 4
CORPUS_MARK, GRAMMAR_MARK = 0.60, 0.70
DISTINCT_MARK = 0.5
LONGEST_COPY = 60
#: Share of real words -> how well the text can be read.
READABLE = ((0.15, 0.0), (GRAMMAR_MARK, 0.8), (0.85, 1.0))


@dataclass(frozen=True)
class Text:
    """A text as tokens: ``characters[i]`` is token i, ``known`` are the real words in lower case."""

    characters: tuple[str, ...]
    train: NDArray[np.int64]
    held_out: NDArray[np.int64]
    known: frozenset[str]

    @classmethod
    def of(cls, train: str, held_out: str, known: frozenset[str], characters: tuple[str, ...]) -> Text:
        numbers = {character: number for number, character in enumerate(characters)}
        one, other = (np.array([numbers[c] for c in part], dtype=np.int64) for part in (train, held_out))
        return cls(characters, one, other, known)

    def words(self, tokens: NDArray[np.int64]) -> str:
        return "".join(self.characters[token] for token in tokens)

    def unigram_bits(self) -> float:
        """Bits per character of the held-out text for who only knows how frequent each character is in training."""
        counts = np.bincount(self.train, minlength=len(self.characters)) + 1.0
        return float(-np.log2(counts / counts.sum())[self.held_out].mean())


def grammar_text(lab: Lab) -> Text:
    """Sentences of a small language of this evaluation's own; which number stands for which character is its own too."""
    random = lab.random("grammar")
    words = some_words(random)
    text = write_sentences(random, TRAINING_CHARACTERS + HELD_OUT, words)
    characters = np.array(sorted(set(text)))
    order = tuple(characters[random.permutation(len(characters))].tolist())
    return Text.of(text[:TRAINING_CHARACTERS], text[TRAINING_CHARACTERS:], words.spelt(), order)


def corpus_text(lab: Lab) -> Text:
    """The corpus, nine tenths and the rest; its characters are numbered in their sorted order, as the instructions say."""
    text = lab.text().text
    cut = len(text) * 9 // 10
    known = frozenset(re.findall(r"[a-z]+", text.lower()))
    return Text.of(text[:cut], text[cut:], known, tuple(sorted(set(text))))


class TextTrial:
    """One GPT's way from being built to a text that is read.

    1. Supplied weights (a submission.py with build_model() and weights/*.npz): measured on the corpus.
    2. Otherwise the GPT learns the language of this evaluation, in slices with a look at held-out text in between.
    3. Bits per character are computed here, from scores at held-out text. The text that is judged is drawn here, too, from
       the scores; what the student's own generate() writes is shown beside it.
    """

    def __init__(self, student: Student, lab: Lab) -> None:
        self.student = student
        self.lab = lab
        self.text: Text
        self.supplied = False
        self.manner = ""
        self.curve: list[tuple[int, float]] = []
        self.step_seconds: float | None = None
        self.steps = 0

    def run(self) -> list[Measurement]:
        bits: float | None = None
        try:
            facts = self._build()
            if not self.supplied:
                if not facts.has_autograd:
                    raise StudentFault(
                        Fault.NO_GRADIENT, (), "forward only: there is no autograd to train the GPT with"
                    )
                self._train()
            bits = self._bits(FINAL_TEXTS)
            tokens = self._write()
        except StudentSide as error:
            return self._not_measured(error, bits)
        finally:
            self._show_curve()
        return self._measured(bits, tokens)

    # -- to a model ------------------------------------------------------------------------------------------------

    def _build(self) -> GPTFacts:
        """The student's own model where its weights were supplied and have learnt the corpus; else a GPT to be trained."""
        self.text = grammar_text(self.lab)
        facts = self.student.build_gpt(self._sizes(), own=True)
        if facts.own_model and facts.supplied_weights:
            self.text = corpus_text(self.lab)
            facts = self.student.build_gpt(self._sizes(), own=True)
            if self._bits(LOOK_TEXTS) < self.text.unigram_bits() - LEARNS_BY:
                self.supplied, self.manner = True, "supplied weights"
                return facts
            self.text = grammar_text(self.lab)
            facts = self.student.build_gpt(self._sizes(), own=True)
        return facts

    def _sizes(self) -> GPTSizes:
        return GPTSizes(vocabulary=len(self.text.characters), context=CONTEXT, dim=32, layers=2, heads=2)

    def _train(self) -> None:
        """How many steps is settled after a short probe of the speed, then replayed."""
        student, lab = self.student, self.lab
        student.text_data(self.text.train)
        self._look(0)
        each_look = self._seconds_of(lambda: self._look(0, keep=False))
        # In the first step the inside also finds out how the student's loss and optimizer want to be called.
        self._slice(0, 1, STEPS)
        done = 2
        each_step = self._seconds_of(lambda: self._slice(1, 1, STEPS))
        if each_step < 0.5:
            each_step = self._seconds_of(lambda: self._slice(2, 8, STEPS)) / 8
            done = 10
        self.step_seconds = each_step
        left = student.cpu_seconds_left
        budget = left * TRAINING_SHARE
        looks = min(TRAINING_LOOKS, max(1, int(0.1 * budget / each_look)))
        affordable = (budget - looks * each_look) / each_step
        wanted = STEPS if affordable >= MARGIN * STEPS else done + max(int(affordable / MARGIN), 0)
        replayed = lab.is_replay("text_steps")
        steps = lab.settle_exactly("text_steps", min(wanted, STEPS))
        ends_at = student.cpu_seconds_used + budget
        for look in range(1, looks + 1):
            until = max(done, round(steps * look / looks))
            if until > done:
                self._slice(done, until - done, steps)
                done = until
                self._look(done)
            if not replayed and done < steps and student.cpu_seconds_used > ends_at:
                lab.counts["text_steps"] = done
                break
        self.steps = done

    def _slice(self, first: int, count: int, steps: int) -> None:
        _, self.manner = self.student.text_slice(
            first=first,
            rates=[_rate(step, steps) for step in range(first, first + count)],
            batch=BATCH,
            length=CONTEXT,
            order=self.lab.public_seed("where texts begin") % (1 << 30),
        )

    def _seconds_of(self, work: Callable[[], None]) -> float:
        before = self.student.cpu_seconds_used
        work()
        return max(self.student.cpu_seconds_used - before, 1e-6)

    def _look(self, step: int, *, keep: bool = True) -> None:
        bits = self._bits(LOOK_TEXTS)
        if keep:
            self.curve.append((step * BATCH * CONTEXT, round(bits, 4) if math.isfinite(bits) else 1e9))
            self.lab.show_curve(self._curve())

    # -- measuring -------------------------------------------------------------------------------------------------

    def _bits(self, texts: int) -> float:
        """Bits per character of held-out text, over all positions of the context; infinite where a score is not finite."""
        begins = np.linspace(0, len(self.text.held_out) - CONTEXT - 1, texts).astype(int)
        rows = self.text.held_out[begins[:, None] + np.arange(CONTEXT + 1)]
        vocabulary = len(self.text.characters)
        scores = self.student.gpt_scores(np.ascontiguousarray(rows[:, :-1]), vocabulary).astype(np.float64)
        if not np.isfinite(scores).all():
            return float("inf")
        return reference.cross_entropy(scores.reshape(-1, vocabulary), rows[:, 1:].reshape(-1)) / math.log(2)

    def _write(self) -> NDArray[np.int64]:
        """Texts (streams, length) drawn from the scores at temperature 1, each from the beginning of a sentence on."""
        random, length = self.lab.random("sampling"), STREAM_LENGTH
        newline = self.text.characters.index("\n")
        begins = np.flatnonzero(self.text.held_out[: -2 * CONTEXT] == newline)
        chosen = random.choice(begins, STREAMS)
        tokens = self.text.held_out[chosen][:, None]
        before = self.student.cpu_seconds_used
        for position in range(length):
            scores = self.student.gpt_scores(np.ascontiguousarray(tokens[:, -CONTEXT:]), len(self.text.characters))
            last = scores[:, -1].astype(np.float64)
            if not np.isfinite(last).all():
                break
            draws = reference.softmax(last).cumsum(axis=1) > random.random(STREAMS)[:, None]
            tokens = np.concatenate([tokens, draws.argmax(axis=1)[:, None]], axis=1)
            spent = self.student.cpu_seconds_used - before
            if spent / (position + 1) > 0.5 * self.student.cpu_seconds_left:
                break
        return tokens[:, 1:]

    def _measured(self, bits: float, tokens: NDArray[np.int64]) -> list[Measurement]:
        written = [self.text.words(row) for row in tokens]
        real, total = self._real_words(written)
        self._show_text(written)
        unigram, limit = self.text.unigram_bits(), CORPUS_BITS if self.supplied else GRAMMAR_BITS
        evidence: dict[str, Any] = {
            "bits": bits if math.isfinite(bits) else str(bits),
            "unigram_bits": round(unigram, 4),
            "manner": self.manner,
            "supplied": self.supplied,
            "steps": self.steps,
            **self._speed(),
        }
        learns = bits <= unigram - LEARNS_BY
        slow = "" if not evidence["too_slow"] else f" {self._slowness()}"
        first = statement(
            "learns",
            "The GPT learns",
            right=learns,
            message=f"{bits:.2f} bits per character of held-out text; {unigram:.2f} with the frequencies of characters alone "
            f"({self.manner}).{slow}",
            evidence=evidence,
        )
        second = statement(
            "uses_context",
            "It uses more than the last characters",
            right=bits <= limit,
            message=f"{bits:.2f} bits per character, to be at most {limit:g}.{slow}",
            evidence=evidence,
        )
        if slow:
            first, second = (m if m.passed else replace(m, status=Status.TIMED_OUT) for m in (first, second))
        return [first, second, *self._reading(written, real, total, learns=learns, evidence=evidence)]

    def _real_words(self, written: list[str]) -> tuple[int, int]:
        """(real, all) words; of the corpus only those of at least four letters count. What the end cut off is no word."""
        least = LONG_WORD if self.supplied else 1
        words = [
            word
            for text in written
            for word in re.findall(r"[a-z]+", re.sub(r"[A-Za-z]+\Z", "", text).lower())
            if len(word) >= least
        ]
        return sum(word in self.text.known for word in words), len(words)

    def _reading(
        self, written: list[str], real: int, total: int, *, learns: bool, evidence: dict[str, Any]
    ) -> list[Measurement]:
        mark = CORPUS_MARK if self.supplied else GRAMMAR_MARK
        share = real / total if total else 0.0
        joined = "".join(written)
        fours = Counter(joined[i : i + 4] for i in range(len(joined) - 3))
        distinct = len(fours) / max(sum(fours.values()), 1)
        copied = _longest_copy(written, self.text.words(self.text.train)) if self.supplied else 0
        spoilt = []
        if not learns:
            spoilt.append("the model has not learnt")
        if self.supplied and distinct < DISTINCT_MARK:
            spoilt.append(f"only {distinct:.0%} of all groups of four characters are distinct")
        if copied > LONGEST_COPY:
            spoilt.append(f"{copied} characters are copied from the corpus in one piece")
        # One mark for both kinds of text: real words of the corpus count for as much more as their mark is lower.
        counted = 0 if spoilt else min(total, round(real * GRAMMAR_MARK / mark))
        more = {**evidence, "real_words": real, "words": total, "distinct_fours": round(distinct, 3), "copied": copied}
        kind = f"words of at least {LONG_WORD} letters" if self.supplied else "words"
        words = f"{share:.0%} of {total} generated {kind} are real"
        words += f" (mark {mark:.0%})" + (f", but {' and '.join(spoilt)}" if spoilt else "") + "."
        if not total:
            nothing = statement(
                "readable_text", "The text can be read", right=False, message="No words.", evidence=more
            )
            return [nothing, replace(nothing, key="coherent_text", title="How well the text can be read")]
        more["text_of_supplied_weights"] = self.supplied
        readable = accuracy(
            "readable_text",
            "The text can be read",
            right=counted,
            n=total,
            mark=self.lab.mark,
            message=words,
            evidence=more,
        )
        quality = interpolate(READABLE, counted / total)
        coherent = replace(
            statement("coherent_text", "How well the text can be read", right=quality >= 0.8, message=words),
            value=round(quality, 4),
        )
        return [readable, coherent]

    def _speed(self) -> dict[str, Any]:
        seconds = self.step_seconds
        too_slow = not self.supplied and seconds is not None and self.steps < STEPS // 2
        return {"seconds_per_step": None if seconds is None else round(seconds, 4), "too_slow": too_slow}

    def _slowness(self) -> str:
        return (
            f"One step of {BATCH} texts of {CONTEXT} characters takes {self.step_seconds:.2g} CPU seconds, so only "
            f"{self.steps} of {STEPS:,} steps fit into the budget."
        )

    # -- for people ------------------------------------------------------------------------------------------------

    def _show_curve(self) -> None:
        if len(self.curve) > 1:
            self.lab.exhibit(self._curve())

    def _curve(self) -> Exhibit:
        return exhibits.curve(
            "learning_curve",
            "How well does the GPT guess the next character while it learns?",
            {"Bits per character of held-out text": self.curve},
            x_title="Characters seen in training",
            y_title="Bits per character",
            reference=("frequencies of characters alone", self.text.unigram_bits()),
        )

    def _show_text(self, written: list[str]) -> None:
        paragraphs = {"Drawn from the scores, 16 beginnings": "\n".join(written)}
        prompt = self.text.held_out[:CONTEXT][None, :8]
        for count in (200, CONTEXT - 8):
            try:
                tokens = self.student.generate(prompt, count, temperature=0.8)
            except StudentSide as error:
                paragraphs["Your own generate()"] = f"(none: {sentence_of(error)})"
                if not isinstance(error, StudentFault):
                    break
                continue
            inside = tokens[(tokens >= 0) & (tokens < len(self.text.characters))]
            paragraphs["Your own generate()"] = self.text.words(inside)
            break
        self.lab.exhibit(exhibits.text("generated_text", "What does the GPT write?", paragraphs))

    # -- no measurement --------------------------------------------------------------------------------------------

    def _not_measured(self, error: StudentSide, bits: float | None) -> list[Measurement]:
        """Each measurement with the reason; a GPT that was too slow says so."""
        rows = []
        for key, title, kind in (
            ("learns", "The GPT learns", "share"),
            ("uses_context", "It uses more than the last characters", "share"),
            ("readable_text", "The text can be read", "accuracy"),
            ("coherent_text", "How well the text can be read", "share"),
        ):
            measured = failed(key, title, error, kind=kind)
            evidence = {**measured.evidence, "manner": self.manner, **self._speed()}
            if isinstance(error, StudentTimedOut):
                evidence["too_slow"] = True
                if self.step_seconds is not None:
                    measured = replace(measured, message=self._slowness())
            if isinstance(error, StudentFault) and error.code == Fault.NO_GRADIENT:
                evidence = {"no_way_to_learn": True, "text": evidence["text"]}
                measured = replace(measured, message=f"It can't be trained: {sentence_of(error)}.")
            rows.append(replace(measured, evidence=evidence))
        return rows


def _rate(step: int, steps: int) -> float:
    """Half a cosine from the full rate to a twentieth."""
    return RATE * (LAST_RATE + (1 - LAST_RATE) * 0.5 * (1 + math.cos(math.pi * min(step / steps, 1.0))))


def _longest_copy(written: list[str], source: str) -> int:
    """Length of the longest piece of a text that stands in ``source``."""
    longest = 0
    for text in written:
        for start in range(len(text)):
            while start + longest < len(text) and text[start : start + longest + 1] in source:
                longest += 1
    return longest


@check("readable_text", "The GPT learns a language and writes it", also=("learns", "uses_context", "coherent_text"))
def text_generation(student: Student, lab: Lab) -> list[Measurement]:
    """Train in the sandbox, or take supplied weights; bits per character and real words of what is then written."""
    return TextTrial(student, lab).run()
