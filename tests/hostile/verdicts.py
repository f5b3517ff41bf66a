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
    slack: float = 0.0
    criteria: tuple[str, ...] = ("mathematical_correctness", "architecture_design", "mnist_performance")


def _ends(*ends: str, **options: object) -> Verdict:
    return Verdict(ends=ends, **options)


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
        "reads_its_memory_for_labels": _ends(UNHARMED, cpu_seconds=6),
        "registers_atexit": _ends(BROKE_OFF, CRASHED),
        "calls_os_exit_zero": _ends(CRASHED),
        "raises_system_exit": _ends(FAULT),
        "prints_a_perfect_score": _ends(UNHARMED),
        "traces_the_harness": _ends(WRONG, FAULT, BROKE_OFF, CRASHED),
        "replaces_builtins": _ends(WRONG, FAULT, BROKE_OFF, CRASHED, TIMED_OUT),
        "replaces_the_socket_class": _ends(BROKE_OFF),
        "turns_faults_into_answers": _ends(BROKE_OFF),
        "becomes_another_program": _ends(BROKE_OFF, CRASHED, TIMED_OUT),
        "crashes_the_interpreter": _ends(CRASHED),
        "overflows_the_stack": _ends(CRASHED, FAULT, OUT_OF_MEMORY, UNHARMED),
    },
    "forging the conversation": {
        "sends_frames_unasked": _ends(BROKE_OFF),
        "guesses_request_ids": _ends(BROKE_OFF),
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
        "sends_nested_json": _ends(WRONG, FAULT, BROKE_OFF),
        "sends_half_a_frame": _ends(TIMED_OUT, cpu_seconds=1.5),
        "drip_feeds_an_answer": _ends(TIMED_OUT, cpu_seconds=1.5),
        "floods_the_socket": _ends(BROKE_OFF),
        "closes_all_descriptors": _ends(BROKE_OFF),
        "shuts_down_the_socket": _ends(BROKE_OFF, CRASHED),
        "stops_reading_the_socket": _ends(BROKE_OFF, CRASHED),
        "sends_descriptors": _ends(BROKE_OFF),
        "sends_urgent_data": _ends(TIMED_OUT, BROKE_OFF, cpu_seconds=1.5),
        "forges_faults": _ends(FAULT, groups=ALL),
        "forges_its_report": _ends(WRONG, FAULT, groups=ALL),
        "forges_facts": _ends(WRONG, FAULT, BROKE_OFF, base="zero_layers", groups=ALL),
        "hands_the_socket_to_a_daemon": _ends(CRASHED, BROKE_OFF),
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
        "prints_forever": _ends(CRASHED, tries=False),
        "floods_stderr_without_newlines": _ends(CRASHED, tries=False),
        "writes_terminal_escapes_and_html": _ends(FAULT, groups=ALL),
        "raises_an_error_of_100_megabytes": _ends(FAULT),
        "raises_an_error_that_cannot_be_shown": _ends(FAULT, CRASHED),
    },
    "time": {
        "sleeps_forever": _ends(TIMED_OUT, cpu_seconds=1.5),
        "sleeps_most_of_the_time": _ends(TIMED_OUT, cpu_seconds=1.5),
        "pretends_that_the_machine_is_busy": _ends(TIMED_OUT, cpu_seconds=1.5),
        "stops_itself": _ends(TIMED_OUT, cpu_seconds=1.5),
        "loops_forever": _ends(TIMED_OUT, cpu_seconds=1.5),
        "ignores_every_signal": _ends(TIMED_OUT, cpu_seconds=1.5),
    },
    "memory, processes, disk": {
        "fork_bomb": _ends(TIMED_OUT, OUT_OF_MEMORY, BROKE_OFF, cpu_seconds=1.5),
        "thread_bomb": _ends(TIMED_OUT, OUT_OF_MEMORY, CRASHED, cpu_seconds=1.5),
        "allocates_memory_forever": _ends(OUT_OF_MEMORY, CRASHED, UNHARMED),
        "fills_memory_by_many_processes": _ends(OUT_OF_MEMORY),
        "fills_memory_through_memfd": _ends(OUT_OF_MEMORY),
        "fills_memory_through_shared_mappings": _ends(OUT_OF_MEMORY, UNHARMED),
        "fills_memory_through_pipes": _ends(UNHARMED, OUT_OF_MEMORY),
        "fills_the_disk": _ends(UNHARMED, OUT_OF_MEMORY),
        "fills_the_inodes": _ends(OUT_OF_MEMORY, TIMED_OUT),
        "leaves_a_daemon": _ends(UNHARMED),
    },
    "the host": {
        "reads_environments": _ends(UNHARMED),
        "reads_maps_of_process_one": _ends(UNHARMED),
        "writes_kernel_settings": _ends(UNHARMED),
        "lifts_its_limits": _ends(UNHARMED),
        "kills_process_one": _ends(UNHARMED, CRASHED),
        "kills_everything": _ends(CRASHED, UNHARMED),
        "opens_internet_sockets": _ends(UNHARMED),
        "listens_on_abstract_sockets": _ends(UNHARMED),
        "traces_other_processes": _ends(UNHARMED),
        "makes_namespaces": _ends(UNHARMED),
        "asks_for_keyrings": _ends(UNHARMED),
        "makes_setuid_files": _ends(UNHARMED),
        "sets_ld_preload": _ends(UNHARMED),
        "looks_for_inherited_descriptors": _ends(UNHARMED),
        "climbs_out_by_links": _ends(UNHARMED),
        "opens_devices": _ends(UNHARMED),
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

FAMILY_OF = {name: family for family, rows in VERDICTS.items() for name in rows}
VERDICT_OF = {name: verdict for rows in VERDICTS.values() for name, verdict in rows.items()}
