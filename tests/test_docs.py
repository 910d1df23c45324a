"""The documentation names what is there: its commands and examples work, its links and paths lead somewhere."""

import doctest
import inspect
import json
import os
import re
import runpy
import shlex
import subprocess

import pytest

from grefel_hf import FacialExpressionPipeline, GReFELConfig, GReFELForImageClassification, GReFELModel
from grefel_hf.__main__ import main as command_line
from tests.helpers import REPOSITORY
from tests.helpers.command_blocks import LANGUAGES, NEEDS, PAGES, Block, blocks_of, check_command
from tests.helpers.video_clips import scene, write_clip

BLOCKS = [block for page in PAGES for block in blocks_of(page)]
COMMANDS = [(block, command) for block in BLOCKS if block.language == "bash" for command in block.commands]
PYTHON = [block for block in BLOCKS if block.language == "python"]
# These run as they stand; the other commands are parsed, and tests of their scripts run them.
RUN = [command for _, command in COMMANDS if re.match(r"grefel |python -m grefel_hf ", command)]
ARCHITECTURE = (REPOSITORY / "docs" / "architecture.md").read_text()
ROOMS = ("grefel_hf", "space", "train")


@pytest.fixture
def folder(tmp_path, astronaut, predictor, monkeypatch):
    """The working folder, with what the examples name."""
    astronaut.save(tmp_path / "photo.jpg")
    predictor(astronaut).faces[0].crop.save(tmp_path / "face.jpg")
    write_clip(tmp_path / "video.mp4", [scene(astronaut, 60)] * 4)
    (tmp_path / "grefel_hf").symlink_to(REPOSITORY / "grefel_hf")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def tracked(*folders: str) -> list[str]:
    """Files that git has, or would add, as paths from the repository."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z", *folders]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True)
    if done.returncode:
        pytest.skip("this is no git clone")
    return [name for name in done.stdout.split("\0") if name and (REPOSITORY / name).is_file()]


def test_every_fence_is_a_block_of_a_known_kind():
    for page in PAGES:
        fences = re.findall(r"^```", page.read_text(), re.M)
        assert len(fences) == 2 * len(blocks_of(page)), page
    assert {str(block) for block in BLOCKS if block.language not in LANGUAGES} == set()
    assert {str(block) for block in BLOCKS if block.needs and block.needs not in NEEDS} == set()
    assert len(PYTHON) >= 2 and len(RUN) >= 3 and len(COMMANDS) >= 30


@pytest.mark.parametrize(("block", "command"), COMMANDS, ids=[f"{block}-{i}" for i, (block, _) in enumerate(COMMANDS)])
def test_commands_have_programs_flags_and_files(block: Block, command: str, monkeypatch):
    monkeypatch.chdir(REPOSITORY)
    check_command(command, monkeypatch)


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        ("python train/train.py --no_such_flag 1 --output_dir OUT", "refuses"),
        (
            "accelerate launch train/train.py --config train/configs/none.yaml --output_dir OUT",
            "no train/configs/none.yaml",
        ),
        ("python train/no_such_script.py", "no train/no_such_script.py"),
        ("python -m grefel_hf photo.jpg --detector best", "refuses"),
        ("make nothing", "no target nothing"),
        ('make demo ARGS="--prot 8000"', "refuses"),
        ("make weights FERPULS=FERPLUS", "no variable FERPULS"),
        ("python tests/benchmarks/benchmark.py --sectoins photo", "refuses"),
        ("sudo make", "no check knows"),
    ],
)
def test_wrong_commands_are_seen(command, reason, monkeypatch):
    monkeypatch.chdir(REPOSITORY)
    with pytest.raises(AssertionError, match=reason):
        check_command(command, monkeypatch)


def test_examples_of_the_command_line_run(folder):
    for command in RUN:
        words = shlex.split(command)
        assert command_line(words[1:] if words[0] == "grefel" else words[3:]) == 0, command
    assert "happiness" in (folder / "faces.csv").read_text() and "happiness" in (folder / "people.csv").read_text()
    assert (folder / "out.mp4").stat().st_size > 0


@pytest.mark.parametrize("block", PYTHON, ids=str)
def test_examples_in_python_run(block, folder, capsys):
    exec(compile(block.text, str(block), "exec"), {"__name__": "example"})
    assert "happiness" in capsys.readouterr().out


@pytest.mark.parametrize("documented", [GReFELModel, GReFELForImageClassification, FacialExpressionPipeline])
def test_examples_in_docstrings_run(documented, folder):
    text = re.sub(r"^ *```.*$", "", inspect.getdoc(documented), flags=re.M)
    test = doctest.DocTestParser().get_doctest(text, {}, documented.__name__, None, None)
    assert test.examples
    report = []
    failed, _ = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(test, out=report.append)
    assert not failed, "".join(report)


def test_every_entry_of_the_configuration_is_documented():
    own = set(vars(GReFELConfig)["__annotations__"])
    entries = re.findall(r"^(\w.*\(`.*\)):$", inspect.getdoc(GReFELConfig), re.M)
    named = {name for entry in entries for name in re.findall(r"\w+", re.sub(r" \(`.*?\)(?=, [a-z]|$)", "", entry))}
    assert len(own) > 40 and own - named == set()


def test_the_api_page_is_the_generated_one():
    program = runpy.run_path(str(REPOSITORY / "docs" / "make_api.py"))
    assert program["PAGE"].read_text() == program["api_page"](), "run `make api`"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_files(page):
    for link in re.findall(r"\]\(([^)#:]+)\)", page.read_text()):
        assert (page.parent / link).exists(), link


def test_tables_of_epochs_say_what_the_logs_say():
    """Each row below a link to a log; epoch 0 of a run that went on is the last of the log before it."""
    evaluations, told = [{}], 0
    for log, *row in re.findall(
        r"\(logs/([\w-]+\.jsonl)\)|^\| (\d+) \| ([\d.]+) % \| ([\d.]+) % \| ([\d.]+) \|$",
        (REPOSITORY / "docs" / "results.md").read_text(),
        re.MULTILINE,
    ):
        if log:
            entries = map(json.loads, (REPOSITORY / "docs" / "logs" / log).read_text().splitlines())
            last = evaluations[-1]
            evaluations.append({entry["epoch"]: entry for entry in entries if "corrected" in entry})
            evaluations[-1][0] = last.get(max(last, default=0))
        else:
            entry = evaluations[-1][int(row[0])]
            shares = [f"{100 * entry[part]['accuracy']:.2f}" for part in ("corrected", "primary")]
            assert row[1:] == [*shares, f"{entry['corrected']['macro_recall']:.3f}"], row
            told += 1
    assert told >= 12


def of_both(parts: dict[str, dict[str, float]], name: str, form: str) -> str:
    """A figure of the corrected distribution, and in brackets that of the primary one."""
    return f"{parts['corrected'][name]:{form}} ({parts['primary'][name]:{form}})"


def two_seeds() -> list[dict[str, str]]:
    """By row of the table, what the records of either chain say."""
    logs, bundled = REPOSITORY / "docs" / "logs", REPOSITORY / "grefel_hf" / "checkpoints" / "grefel-small"
    first = {name: json.loads((bundled / f"{name}.json").read_text()) for name in ("backbone", "evaluation")}
    first["calibration"] = json.loads((bundled / "all_results.json").read_text())["calibration"]
    first["whole"] = [json.loads((logs / "grefel-small.jsonl").read_text().splitlines()[-1])]
    columns = []
    for chain in (first, json.loads((logs / "second-seed.json").read_text())):
        trunk, measured, kept_out = chain["backbone"], chain["evaluation"], chain["calibration"]["after"]
        plain, (low, high) = measured["plain"], measured["summary"]["accuracy_interval"]
        distinct = plain["without_duplicates"]
        columns.append(
            {
                "GReFEL whole": of_both(chain["whole"][-1], "accuracy", ".2%"),
                "trunk: mean of the first": f"{trunk['before']['average']['accuracy']:.2%}",
                "trunk: mean of the second": f"{trunk['average']['accuracy']:.2%}",
                "accuracy, corrected": of_both(plain, "accuracy", ".2%"),
                "what chance": f"{low:.1%} to {high:.1%}",
                "the same on the 2,932": f"{distinct['corrected']['accuracy']:.2%}",
                "with the mirrored face": f"{measured['mirror_averaged']['corrected']['accuracy']:.2%}",
                "macro recall, corrected": of_both(plain, "macro_recall", ".3f"),
                "macro recall on the 2,932": of_both(distinct, "macro_recall", ".3f"),
                "macro F1": f"{plain['corrected']['macro_f1']:.3f}",
                "Kullback": f"{measured['agreement']['corrected']['of_labelled']['kl_divergence']:.3f}",
                "expected calibration": f"{plain['corrected']['expected_calibration_error']:.3f}",
                "over all disturbances": f"{measured['robustness']['summary']['mean_accuracy']:.1%}",
                "crops without a face": f"{measured['certainty']['rejection']['no_faces_answered']:.1%}",
                "balancing": f"{measured['summary']['mended']}, {measured['summary']['spoilt']}",
                "right on the 1,287": f"{kept_out['accuracy']:.1%}",
                "macro recall on these": f"{kept_out['macro_recall']:.3f}",
            }
        )
    return columns


def test_the_table_of_two_seeds_says_what_their_records_say():
    text = (REPOSITORY / "docs" / "results.md").read_text()
    section = text.split("### The whole chain with another seed\n")[1].split("\n## ")[0]
    rows = [line.strip("|").split("|") for line in section.splitlines() if line.startswith("|")][2:]
    columns = two_seeds()
    assert len(rows) == len(columns[0])
    for (name, *figures), begin in zip(rows, columns[0], strict=True):
        assert name.strip().startswith(begin)
        for figure, column in zip(figures, columns, strict=True):
            assert re.sub(r"[ %]", "", figure) == re.sub(r"[ %]", "", column[begin]), begin
    second = columns[1]["accuracy, corrected"]
    assert f"another seed is right on {float(second[:5]):.1f} %" in (REPOSITORY / "README.md").read_text()


def test_the_readme_is_short():
    text = (REPOSITORY / "README.md").read_text()
    assert len(text.split("---\n", 2)[2].splitlines()) <= 150


def named_paths(text: str) -> set[str]:
    """What a page names in backticks and looks like a path from the repository's folder; NAME stands for one to be."""
    tops = {name.partition("/")[0] for name in tracked()}
    words = re.findall(r"`([\w./-]+)`", text)
    return {word for word in words if word.partition("/")[0] in tops and "NAME" not in word}


@pytest.mark.parametrize(("page", "least"), [("docs/architecture.md", 50), ("CONTRIBUTING.md", 20)])
def test_paths_exist(page, least):
    paths = named_paths((REPOSITORY / page).read_text())
    assert len(paths) > least
    assert [path for path in sorted(paths) if not (REPOSITORY / path).exists()] == []


def test_the_architecture_names_every_folder():
    folders = {os.path.dirname(file) + "/" for file in tracked(*ROOMS) if "/checkpoints/" not in file}
    assert folders - named_paths(ARCHITECTURE) == set()


@pytest.mark.parametrize(
    ("thing", "file", "code"),
    [
        ("temperature of Eq. 14", "grefel_hf/model/reliability_balancing.py", "Delta of Eq. 14"),
        ("crop margin", "grefel_hf/faces/cropping.py", "CropGeometry"),
        ("after a bad image", "train/grefel_train/data/dataset.py", "on_bad_image"),
        ("sentence about balancing", "space/sentences.py", "def balancing_sentence"),
        ("RAF-DB's classes", "train/grefel_train/data/adapters/rafdb.py", "LABEL_NAMES"),
    ],
)
def test_the_architecture_says_where_things_live(thing, file, code):
    lines = [line for line in ARCHITECTURE.splitlines() if thing in line]
    assert lines and all(file in line for line in lines)
    assert code in (REPOSITORY / file).read_text()


def test_nothing_refers_to_data_that_only_we_have():
    """Tests may: they skip where it is missing."""
    here = re.escape(str(REPOSITORY)).encode()
    found = []
    for name in tracked():
        if not name.startswith("tests/"):
            content = (REPOSITORY / name).read_bytes()
            found += [name] if re.search(rb"\.\./shared|\bshared/|" + here, content) and b"\0" not in content else []
    assert found == []


def test_the_attacks_name_tests_that_exist():
    table = (REPOSITORY / "docs" / "security.md").read_text().partition("## Attacks")[2].partition("\n## ")[0]
    file, names = "", []
    for span in re.findall(r"`([^`]*)`", table):
        path, colons, name = span.partition("::")
        if not colons:
            continue
        file = path or file
        names.append(name)
        assert re.search(rf"^(async )?def {name}\(", (REPOSITORY / file).read_text(), re.M), span
    assert len(names) > 40
