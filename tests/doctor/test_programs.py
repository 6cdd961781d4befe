"""Each sick program is found, at its line; each cured and each sound one left alone.

A sick program's name begins with the code; the line to be named ends in ``# sick``.
"""

from concurrent.futures import ProcessPoolExecutor
from functools import cache, lru_cache
from pathlib import Path

import pytest

from tests.doctor.watched_programs import run_alone, run_watched
from tests.warm import WARM, begin

PROGRAMS = Path(__file__).parent / "programs"
SICK = sorted((PROGRAMS / "sick").glob("*.py"))
CURED = sorted((PROGRAMS / "cured").glob("*.py"))
SOUND = sorted((PROGRAMS / "sound").glob("*.py"))


QUICK = {
    "accumulated_groups": ("range(8)", "range(2)"),
    "amp_scaler": ("range(60)", "range(15)"),
    "batch_of_one_gru": ("range(1, 6)", "range(1, 2)"),
    "binary_weights": ("range(1, 21)", "range(1, 6)"),
    "contrastive_with_probes": ("range(1, 21)", "range(1, 4)"),
    "diffusion_toy": ("range(300)", "range(75)"),
    "eighty_sorted_points": ("range(1, 801)", "range(1, 201)"),
    "evolution_strategy": ("0.08, 250", "0.08, 60"),
    "func_maml": ("range(60)", "range(15)"),
    "gt101_one_of_two_optimizers": ("range(1, 401)", "range(1, 51)"),
    "gt102_generator_zeroed": ("range(1, 1501)", "range(1, 189)"),
    "gt102_model_zero_grad": ("range(60)", "range(15)"),
    "gt103_kept_log_probabilities": ("range(300)", "range(80)"),
    "gt105_head_by_prefix": ("epochs=8", "epochs=2"),
    "gt106_wine": ('"epochs": 30', '"epochs": 5'),
    "gt108_embedder_to_numpy": ("range(10):\n", "range(4):\n"),
    "gt111_loop_of_updates": ("range(2001)", "range(500)"),
    "gt201_new_task": ("epochs=8", "epochs=2"),
    "gt201_warm_start": ("max_iter=15", "max_iter=4"),
    "gt204_dqn": ("episodes=240", "episodes=80"),
    "gt301_huber_by_hand": ("range(20)", "range(5)"),
    "gt302_dense_head": ("default=15", "default=2"),
    "gt304_distillation": ("epochs=20", "epochs=2"),
    "gt304_rate_of_counts": ("range(25)", "range(6)"),
    "gt306_several_tags": ("range(15)", "range(3)"),
    "gt401_final_test": ("range(10)", "range(2)"),
    "gt402_every_few_steps": ("epochs: int = 30", "epochs: int = 4"),
    "gt406_reviews": ("range(12)", "range(4)"),
    "gt501_signals": ("range(1, 16)", "range(1, 3)"),
    "gt501_sorted_by_price": ("range(15)", "range(4)"),
    "gt502_oversampled": ("range(1, 13)", "range(1, 4)"),
    "gt503_column_forgotten": ("range(30)", "range(4)"),
    "gt503_raw_units": ("range(20)", "range(5)"),
    "gt507_newest_last": ("range(30)", "range(8)"),
    "gt507_numpy_shuffle": ("range(15)", "range(4)"),
    "gt606_load": ("range(1, 13)", "range(1, 5)"),
    "gt609_heads_merged": ("range(1, 9)", "range(1, 3)"),
    "gt609_hidden_states_joined": ("range(120)", "range(30)"),
    "gt609_one_hot_letters": ("range(1, 13)", "range(1, 4)"),
    "gt803_reverse": ("range(15)", "range(5)"),
    "gt806_one_seed_for_all_rows": ("epochs=15", "epochs=3"),
    "heads_as_wide_as_the_batch": ("range(60)", "range(15)"),
    "mc_dropout_gaussian": ("range(1, 61)", "range(1, 16)"),
    "mean_teacher_in_train_mode": ("range(1, 26)", "range(1, 4)"),
    "mean_teacher_lerp": ("range(16)", "range(4)"),
    "micro_batches_of_rows": ("range(20)", "range(5)"),
    "mixup_soft_targets": ("EPOCHS = 14", "EPOCHS = 4"),
    "one_cycle_residual": ("EPOCHS = 8", "EPOCHS = 2"),
    "physics_lbfgs": ("range(1, 41)", "range(1, 11)"),
    "random_features_on_purpose": ("range(30)", "range(8)"),
    "schedules_per_batch": ("EPOCHS = 10", "EPOCHS = 3"),
    "schedules_per_epoch": ("EPOCHS = 10", "EPOCHS = 3"),
    "shared_block_meant": ("range(1, 301)", "range(1, 81)"),
    "sixty_passes": ("range(40)", "range(10)"),
    "sparse_and_dense": ("range(1, 13)", "range(1, 3)"),
    "stateful_gru": ("range(10)", "range(3)"),
    "tied_embeddings": ("epochs, batch = 6", "epochs, batch = 2"),
    "truncated_chunks": ("range(1, 13)", "range(1, 4)"),
    "validated_within_epochs": ("range(40)", "range(5)"),
    "wgan_gp": ("range(80)", "range(20)"),
    "wgan_gradient_penalty": ("range(1, 601)", "range(1, 101)"),
}
"""How the longest programs train for less time: what stands there, and in its place.

As they are written they run with the slow tests.
"""


@pytest.fixture(scope="module")
def shortened(tmp_path_factory):
    """Give a program, or its quick form."""
    folder = tmp_path_factory.mktemp("programs")

    @cache
    def quick(path):
        if path.stem not in QUICK:
            return path
        text, (long, short) = path.read_text(), QUICK[path.stem]
        assert text.count(long) > 0
        shorter = folder / path.parent.name / path.name
        shorter.parent.mkdir(exist_ok=True)
        shorter.write_text(text.replace(long, short))
        return shorter

    return quick


@pytest.fixture(scope="module")
def ended():
    """Run a program in a process where no annotation is checked, as a user has it."""
    with ProcessPoolExecutor(1, mp_context=WARM, initializer=begin) as process:
        # The tests of a program follow each other, and it is watched once for them.
        yield lru_cache(maxsize=2)(lambda run, path: process.submit(run, path).result())


def sick_lines(path):
    lines = path.read_text().splitlines()
    return {n for n, line in enumerate(lines, 1) if line.rstrip().endswith("# sick")}


@pytest.mark.parametrize("path", SICK, ids=lambda path: path.stem)
def test_sick_program_is_found(path, shortened, ended):
    check_found(shortened(path), ended)


def check_found(path, ended):
    findings = ended(run_watched, path).findings
    code = path.stem.partition("_")[0].upper()
    serious = [finding for finding in findings if finding.severity != "info"]
    shown = [(finding.code, finding.verdict, finding.evidence) for finding in findings]
    assert code in [finding.code for finding in findings], shown
    # One cause, one finding.
    assert [finding.code for finding in serious] in ([code], []), shown
    (finding,) = [finding for finding in findings if finding.code == code]
    assert finding.evidence and finding.cure and any(map(str.isdigit, finding.evidence))
    if lines := sick_lines(path):
        assert finding.line is not None and finding.line.file == str(path), shown
        assert finding.line.number in lines, (finding.line.number, shown)


@pytest.mark.parametrize("path", CURED + SOUND, ids=lambda path: path.stem)
def test_sound_program_is_left_alone(path, shortened, ended):
    check_left_alone(shortened(path), ended)


def check_left_alone(path, ended):
    watched = ended(run_watched, path)
    assert watched.error is None
    shown = [
        (finding.code, finding.verdict, finding.evidence, finding.line)
        for finding in watched.findings
    ]
    serious = [finding for finding in watched.findings if finding.severity != "info"]
    assert serious == [], shown


def test_every_sick_program_has_its_cure():
    assert [path.name for path in SICK] == [path.name for path in CURED]


@pytest.mark.parametrize("path", (CURED + SOUND)[::3], ids=lambda path: path.stem)
def test_watching_changes_no_bit(path, shortened, ended):
    """The losses and the global generator are those of the program alone."""
    check_bits(shortened(path), ended)


def check_bits(path, ended):
    with_doctor = ended(run_watched, path).bits
    assert with_doctor == ended(run_alone, path).bits
    assert with_doctor[0]


@pytest.mark.slow
@pytest.mark.parametrize(
    "path",
    [path for path in SICK + CURED + SOUND if path.stem in QUICK],
    ids=lambda path: f"{path.parent.name}-{path.stem}",
)
def test_a_long_program_to_its_end(path, ended):
    if path in SICK:
        check_found(path, ended)
        return
    check_left_alone(path, ended)
    if path in (CURED + SOUND)[::3]:
        check_bits(path, ended)


def test_every_quick_form_is_one_of_a_program():
    assert QUICK.keys() <= {path.stem for path in SICK + CURED + SOUND}
