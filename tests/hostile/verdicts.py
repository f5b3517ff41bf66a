"""What every hostile program must come to: one row each, grouped by what it attacks.

``ends`` is how the attacked evaluation must end. Whatever it is, the oracle (``oracle.py``) holds for all of them: no
criterion above the honest broken submission it is built on, an ordinary result, a host that is unchanged.
"""

from __future__ import annotations

from dataclasses import dataclass

# -- ways to end -----------------------------------------------------------------------------------------------------------

UNHARMED = "unharmed"  # the attack ran, changed nothing, and every score is that of the honest base
WRONG = "wrong"  # answers came and were judged on their worth
CRASHED = "StudentCrashed"
TIMED_OUT = "StudentTimedOut"
OUT_OF_MEMORY = "StudentOutOfMemory"
BROKE_OFF = "StudentProtocolViolation"
FAULT = "StudentFault"
BLOCKED = "blocked"  # its module was left out, and everything else counted as in the honest base
UNUSABLE = "unusable"  # the package was found to have no Tensor or no module that imports
KNOWN_LIMIT = "known limit"  # not prevented; SECURITY.md says so, and the result must show it to a person

# -- where to look ---------------------------------------------------------------------------------------------------------

MATHEMATICS = ("mathematics",)
ARCHITECTURE = ("architecture",)
MNIST = ("mnist",)
ALL = ("mathematics", "architecture", "mnist")

CHANCE = 1.0  # points for 15 % accuracy: ten classes guessed at, 500 images


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """The required end of one program.

    ``ends``: one of these must be the end. ``base``: the honest broken submission that it is laid over and compared with
    (a sample of milestone 1 or one of ``submissions.BASES``). ``placed``: where the file goes in the upload, by default a
    module of the package that is imported after all others. ``extra``: further files from ``submissions.EXTRAS``.
    ``when``: whether it runs when its module is imported, or at every call of the student's dense layer.
    ``slack``: points by which answers at chance may differ from others at chance.
    ``tries``: whether it gets to say ``ATTEMPTED`` (it does, unless it never runs), so that no row is empty.
    """

    ends: tuple[str, ...]
    base: str = "stub_layers"
    groups: tuple[str, ...] = MATHEMATICS
    cpu_seconds: float = 3.0
    placed: str = ""
    extra: str = ""
    tries: bool = True
    when: str = "import"
    slack: float = 0.0
    criteria: tuple[str, ...] = ("mathematical_correctness", "architecture_design", "mnist_performance")


def _ends(*ends: str, **options: object) -> Verdict:
    return Verdict(ends=ends, **options)


def _called(*ends: str, **options: object) -> Verdict:
    return Verdict(ends=ends, when="call", **options)


VERDICTS: dict[str, dict[str, Verdict]] = {
    "tampering with its own process": {
        "patches_write_frame": _ends(WRONG, BROKE_OFF),
        "patches_harness_answer": _ends(WRONG, BROKE_OFF),
        "replaces_numpy_functions": _ends(WRONG, FAULT),
        "replaces_sys_modules": _ends(UNHARMED),
        "installs_an_import_hook": _ends(UNHARMED),
        "shadows_numpy": _ends(UNHARMED, placed="numpy.py", tries=False),
        "shadows_harness": _ends(UNHARMED, placed="harness.py", tries=False),
        "shadows_milestones": _ends(UNHARMED, placed="milestones/__init__.py", tries=False),
        "shadows_sitecustomize": _ends(UNHARMED, placed="sitecustomize.py", tries=False),
        "walks_frames_for_answers": _ends(UNHARMED),
        "walks_garbage_for_labels": _ends(WRONG, base="zero_layers", groups=ALL),
        "reads_its_memory_for_labels": _called(UNHARMED, cpu_seconds=6),
        "registers_atexit": _ends(BROKE_OFF, CRASHED),
        "calls_os_exit_zero": _called(CRASHED),
        "raises_system_exit": _ends(FAULT),
        "prints_a_perfect_score": _called(UNHARMED),
        "traces_the_harness": _ends(WRONG, FAULT, BROKE_OFF, CRASHED),
        "replaces_builtins": _ends(WRONG, FAULT, BROKE_OFF, CRASHED, TIMED_OUT),
        "replaces_the_socket_class": _ends(BROKE_OFF),
        "turns_faults_into_answers": _ends(BROKE_OFF),
        "becomes_another_program": _called(BROKE_OFF, CRASHED, TIMED_OUT),
        "crashes_the_interpreter": _called(CRASHED),
        "overflows_the_stack": _called(CRASHED, FAULT, OUT_OF_MEMORY, UNHARMED),
    },
    "forging the conversation": {
        "sends_frames_unasked": _called(BROKE_OFF),
        "guesses_request_ids": _called(BROKE_OFF),
        "answers_twice": _ends(BROKE_OFF),
        "answers_before_the_question_is_complete": _ends(BROKE_OFF, base="zero_layers", groups=ALL),
        "a_thread_answers_first": _ends(BROKE_OFF),
        "announces_2_to_the_63_elements": _ends(BROKE_OFF),
        "announces_sizes_that_overflow": _ends(BROKE_OFF),
        "announces_gigabytes": _ends(BROKE_OFF),
        "announces_65535_arrays": _ends(BROKE_OFF),
        "answers_with_another_dtype": _ends(BROKE_OFF),
        "answers_for_another_operation": _ends(BROKE_OFF),
        "asks_the_grader": _ends(BROKE_OFF),
        "sends_a_pickle": _ends(BROKE_OFF),
        "sends_nested_json": _ends(WRONG, FAULT, BROKE_OFF, UNUSABLE),
        "sends_half_a_frame": _ends(TIMED_OUT, cpu_seconds=1.5),
        "drip_feeds_an_answer": _ends(TIMED_OUT, cpu_seconds=1.5),
        "floods_the_socket": _called(BROKE_OFF),
        "closes_all_descriptors": _called(BROKE_OFF),
        "shuts_down_the_socket": _called(BROKE_OFF, CRASHED),
        "stops_reading_the_socket": _called(BROKE_OFF, CRASHED),
        "sends_descriptors": _called(BROKE_OFF),
        "sends_urgent_data": _called(TIMED_OUT, BROKE_OFF, cpu_seconds=1.5),
        "forges_faults": _ends(FAULT, groups=ALL),
        "claims_parameters_it_does_not_have": _ends(KNOWN_LIMIT, groups=ARCHITECTURE),
        "claims_that_all_modules_import": _ends(KNOWN_LIMIT, base="one_syntax_error"),
        "forges_its_report": _ends(WRONG, FAULT, groups=ALL),
        "forges_facts": _ends(WRONG, FAULT, BROKE_OFF, base="zero_layers", groups=ALL),
        "hands_the_socket_to_a_daemon": _called(CRASHED, BROKE_OFF),
    },
    "answers that compare strangely": {
        "answers_nan": _ends(WRONG, base="zero_layers", groups=ALL),
        "answers_infinity": _ends(WRONG, base="zero_layers", groups=ALL),
        "answers_the_largest_numbers": _ends(WRONG, base="zero_layers", groups=ALL),
        "answers_all_equal_scores": _ends(WRONG, base="zero_layers", groups=ALL),
        "answers_noise": _ends(WRONG, base="noisy_layers", groups=ALL),
        "answers_object_arrays": _ends(WRONG, FAULT, base="zero_layers", groups=ALL),
        "answers_arrays_of_its_own_class": _ends(WRONG, FAULT, base="zero_layers", groups=ALL),
        "names_one_class_ten_times": _ends(WRONG, FAULT, base="zero_layers", groups=ALL),
        "answers_with_another_shape": _ends(WRONG, FAULT, base="zero_layers", groups=ALL),
        "answers_that_broadcast": _ends(WRONG, base="zero_layers", groups=ARCHITECTURE),
        "answers_shapes_that_do_not_subtract": _ends(WRONG, base="zero_layers", groups=ARCHITECTURE),
    },
    "what it prints": {
        "prints_forever": _called(CRASHED, tries=False),
        "floods_stderr_without_newlines": _called(CRASHED, tries=False),
        "writes_terminal_escapes_and_html": _ends(FAULT, groups=ALL),
        "raises_an_error_of_100_megabytes": _ends(FAULT),
        "raises_an_error_that_cannot_be_shown": _ends(FAULT, CRASHED),
    },
    "time": {
        "sleeps_forever": _called(TIMED_OUT, cpu_seconds=1.5),
        "sleeps_most_of_the_time": _called(TIMED_OUT, cpu_seconds=1.5),
        "pretends_that_the_machine_is_busy": _called(TIMED_OUT, cpu_seconds=1.5),
        "stops_itself": _called(TIMED_OUT, cpu_seconds=1.5),
        "loops_forever": _called(TIMED_OUT, cpu_seconds=1.5),
        "ignores_every_signal": _called(TIMED_OUT, cpu_seconds=1.5),
    },
    "memory, processes, disk": {
        "fork_bomb": _called(TIMED_OUT, OUT_OF_MEMORY, BROKE_OFF, cpu_seconds=1.5),
        "thread_bomb": _called(TIMED_OUT, OUT_OF_MEMORY, CRASHED, FAULT, cpu_seconds=1.5),
        "allocates_memory_forever": _called(OUT_OF_MEMORY, CRASHED, UNHARMED),
        "fills_memory_by_many_processes": _called(OUT_OF_MEMORY),
        "fills_memory_through_memfd": _called(OUT_OF_MEMORY),
        "fills_memory_through_shared_mappings": _called(OUT_OF_MEMORY, UNHARMED),
        "fills_memory_through_pipes": _ends(UNHARMED, OUT_OF_MEMORY),
        "fills_the_disk": _called(UNHARMED, OUT_OF_MEMORY),
        "fills_the_inodes": _called(OUT_OF_MEMORY, TIMED_OUT),
        "leaves_a_daemon": _called(UNHARMED),
    },
    "the host": {
        "reads_environments": _called(UNHARMED),
        "reads_maps_of_process_one": _called(UNHARMED),
        "writes_kernel_settings": _called(UNHARMED),
        "lifts_its_limits": _called(UNHARMED),
        "kills_process_one": _called(UNHARMED, CRASHED),
        "kills_everything": _called(CRASHED, UNHARMED),
        "opens_internet_sockets": _called(UNHARMED),
        "listens_on_abstract_sockets": _called(UNHARMED),
        "traces_other_processes": _called(UNHARMED),
        "makes_namespaces": _called(UNHARMED),
        "asks_for_keyrings": _called(UNHARMED),
        "makes_setuid_files": _called(UNHARMED),
        "sets_ld_preload": _ends(UNHARMED),
        "looks_for_inherited_descriptors": _ends(UNHARMED),
        "climbs_out_by_links": _called(UNHARMED),
        "opens_devices": _called(UNHARMED),
        "keeps_notes_for_the_next_sandbox": _ends(UNHARMED, groups=ALL),
    },
    "stored and guessed answers": {
        "behaves_only_under_grading": _ends(WRONG, base="zero_layers"),
        "pickles_in_weights": _ends(FAULT, base="full_autograd", groups=MNIST, extra="pickled weights"),
        "stored_labels_while_we_train": _ends(
            WRONG, base="untrained", groups=MNIST, placed="submission.py", extra="table", slack=CHANCE
        ),
        "stored_labels_by_hash": _ends(
            WRONG, base="untrained", groups=MNIST, placed="submission.py", extra="table", slack=CHANCE
        ),
        "stored_labels_by_nearest_image": _ends(
            KNOWN_LIMIT, base="untrained", groups=MNIST, placed="submission.py", extra="table", cpu_seconds=10
        ),
        "train_infers_the_names_of_the_classes": _ends(
            KNOWN_LIMIT, base="untrained", groups=MNIST, placed="submission.py", extra="table", cpu_seconds=10
        ),
        "slows_down_to_be_measured_less": _ends(TIMED_OUT, UNHARMED, WRONG, base="full_autograd", groups=MNIST),
    },
}

# These are tried at import as well, each with its CPU seconds: the one module is left out, and everything else counts as if
# it were not there. Who computes needs more than an import may take.
ALSO_AT_IMPORT = {
    "allocates_memory_forever": 1.5,
    "calls_os_exit_zero": 1.5,
    "closes_all_descriptors": 1.5,
    "crashes_the_interpreter": 1.5,
    "ignores_every_signal": 12.0,
    "kills_everything": 1.5,
    "leaves_a_daemon": 1.5,
    "prints_forever": 1.5,
    "sends_frames_unasked": 1.5,
    "sleeps_forever": 1.5,
    "stops_itself": 1.5,
}

FAMILY_OF = {name: family for family, rows in VERDICTS.items() for name in rows}
VERDICT_OF = {name: verdict for rows in VERDICTS.values() for name, verdict in rows.items()}
