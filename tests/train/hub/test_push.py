"""What a push puts on the Hub, and what it says when it cannot; against a Hub on loopback, in this process."""

import hashlib
import json
import shlex
import shutil
from pathlib import Path

import pytest
import yaml
from huggingface_hub import constants
from safetensors.torch import load_file, save_file

import push_to_hub
from grefel_hf.checkpoint import BUNDLED_CHECKPOINT
from grefel_train.hub.push import PushError, make_repository, push_model, push_space
from tests.helpers import REPOSITORY
from tests.helpers.hub_server import READ_TOKEN, WRITE_TOKEN, running_hub
from tests.helpers.trained_run import MACHINE, RESULTS, SECRET, write_run


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    write_run(folder)
    return folder


@pytest.fixture
def best(run_dir) -> Path:
    return run_dir / "best"


@pytest.fixture
def hub(monkeypatch, tmp_path):
    """An empty Hub that this process talks to with the token of `user`."""
    with running_hub() as server:
        monkeypatch.setattr(constants, "ENDPOINT", server.url)
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "no-token"))
        monkeypatch.setenv("HF_TOKEN", WRITE_TOKEN)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        yield server


def commits(hub, repo_id: str, kind: str = "models") -> list[str]:
    return list(hub.repositories[kind, repo_id].messages.values())


def digests(folder: Path) -> dict[str, str]:
    files = (file for file in folder.rglob("*") if file.is_file())
    return {str(file): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def refusal(*arguments) -> str:
    """The message with which the script ends."""
    with pytest.raises(SystemExit) as raised:
        push_to_hub.main([str(argument) for argument in arguments])
    return str(raised.value)


def test_one_commit_has_everything_and_nothing_of_the_machine(hub, best):
    push_to_hub.main([str(best), "user/grefel"])  # the run is found above the folder
    assert commits(hub, "user/grefel") == ["initial commit", "Upload GReFEL checkpoint"]
    files = hub.files("user/grefel")
    assert files.keys() >= {
        *("config.json", "model.safetensors", "preprocessor_config.json", "README.md"),
        *("modeling_grefel.py", "configuration_grefel.py", "image_processing_grefel.py", "losses.py"),
        *("all_results.json", "recipe.yaml", "training_log.jsonl"),
        *("crop_rule.png", "example_face.jpg"),
    }
    assert not [path for path in files if "/" in path]  # remote code must be flat
    assert files["model.safetensors"] == (best / "model.safetensors").read_bytes()
    assert json.loads(files["config.json"])["auto_map"].keys() == {
        *("AutoConfig", "AutoModel", "AutoModelForImageClassification")
    }
    assert json.loads(files["all_results.json"])["best"] == RESULTS["best"]
    assert len(files["training_log.jsonl"].splitlines()) == 2
    for path, content in files.items():
        for private in (MACHINE, SECRET, WRITE_TOKEN, str(best.parent)):
            assert private.encode() not in content, (path, private)


def test_the_card_has_the_measured_figures_and_the_repositorys_name(hub, best, run_dir):
    assert push_model(best, "user/grefel", run_dir=run_dir) == f"{hub.url}/user/grefel"
    card = hub.files("user/grefel")["README.md"].decode()
    metadata = yaml.safe_load(card.split("---\n")[1])
    assert metadata["model-index"][0]["name"] == "grefel"
    values = {m["type"]: m["value"] for m in metadata["model-index"][0]["results"][0]["metrics"]}
    assert values == {"accuracy": 0.625, "recall": 0.5, "expected_calibration_error": 0.2}
    assert 'model="user/grefel", trust_remote_code=True' in card
    assert "rounded to half precision" in " ".join(card.split()) and "recipe.yaml" in card


def test_without_a_run_nothing_was_measured(hub, best, tmp_path):
    alone = shutil.copytree(best, tmp_path / "checkpoint")
    push_to_hub.main([str(alone), "user/grefel"])
    files = hub.files("user/grefel")
    assert "model-index" not in files["README.md"].decode() and b"Nothing was measured" in files["README.md"]
    assert not {"all_results.json", "recipe.yaml", "training_log.jsonl"} & files.keys()


def test_a_readme_of_the_folder_is_the_card(hub, best, run_dir, tmp_path):
    folder = shutil.copytree(best, tmp_path / "checkpoint")
    (folder / "README.md").write_text("---\nlicense: mit\n---\n\n# Mine\n")
    push_model(folder, "user/grefel", run_dir=run_dir)
    assert hub.files("user/grefel")["README.md"] == (folder / "README.md").read_bytes()


def test_an_evaluation_of_these_weights_goes_up_and_into_the_card(hub, best, run_dir, tmp_path):
    folder = shutil.copytree(best, tmp_path / "checkpoint")
    digest = hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
    bundled = json.loads((BUNDLED_CHECKPOINT / "evaluation.json").read_text())
    metrics = {**bundled, "split": "test", "weights_sha256": digest}
    (folder / "evaluation.json").write_text(json.dumps({**metrics, "model": f"{MACHINE}/best"}))
    shutil.copy(BUNDLED_CHECKPOINT / "landmarks.json", folder)
    push_model(folder, "user/grefel", run_dir=run_dir)
    files = hub.files("user/grefel")
    assert json.loads(files["evaluation.json"]) == {**metrics, "model": "best"}
    assert files["landmarks.json"] == (BUNDLED_CHECKPOINT / "landmarks.json").read_bytes()
    card = files["README.md"].decode()
    assert "FER+, split test" in card and "## Landmarks" in card
    push_model(best, "user/grefel", run_dir=run_dir)  # other weights, of which neither is known
    assert not {"evaluation.json", "landmarks.json"} & hub.files("user/grefel").keys()


def test_pushing_again_replaces_and_what_described_the_old_weights_goes(hub, best, run_dir):
    push_model(best, "user/grefel", run_dir=run_dir)
    push_model(best, "user/grefel", run_dir=run_dir)
    assert len(commits(hub, "user/grefel")) == 2  # nothing changed, so nothing was committed
    push_model(best, "user/grefel")
    assert len(commits(hub, "user/grefel")) == 3
    assert not {"all_results.json", "recipe.yaml", "training_log.jsonl"} & hub.files("user/grefel").keys()


def test_a_name_alone_is_one_of_the_user(hub, best):
    assert push_model(best, "grefel") == f"{hub.url}/user/grefel"
    assert b'model="user/grefel"' in hub.files("user/grefel")["README.md"]


def test_revision_is_a_branch(hub, best, capsys):
    push_to_hub.main([str(best), "user/grefel", "--revision", "epoch-2"])
    push_to_hub.main([str(best), "user/grefel", "--revision", "epoch-2"])
    assert capsys.readouterr().out.splitlines() == [f"{hub.url}/user/grefel/tree/epoch-2"] * 2
    assert "model.safetensors" in hub.files("user/grefel", "epoch-2")
    assert hub.files("user/grefel") == {}


def test_pull_request_of_somebody_who_may_not_write(hub, best):
    make_repository("user/grefel")
    url = push_model(best, "user/grefel", token=READ_TOKEN, create_pr=True)
    assert url == f"{hub.url}/user/grefel/discussions/1"
    assert "model.safetensors" in hub.files("user/grefel", "refs/pr/1")
    assert hub.files("user/grefel") == {}


def test_pull_request_and_revision_exclude_each_other(hub, best):
    assert "pull request" in refusal(best, "user/grefel", "--create_pr", "--revision", "other")
    assert hub.requests == []


def test_private(hub, best):
    push_to_hub.main([str(best), "user/secret", "--private"])
    push_to_hub.main([str(best), "user/secret", "--private"])
    assert hub.repositories["models", "user/secret"].private
    make_repository("user/open")
    message = refusal(best, "user/open", "--private")
    assert "user/open" in message and "public" in message
    assert hub.files("user/open") == {}


@pytest.mark.parametrize(
    ("failure", "status", "named"),
    [("commit", 500, "500"), ("upload", 403, "Error while uploading"), ("create", 503, "503")],
)
def test_a_failed_upload_leaves_everything_and_names_the_command_that_goes_on(
    hub, best, run_dir, tmp_path, monkeypatch, failure, status, named
):
    monkeypatch.chdir(tmp_path)
    before = digests(run_dir)
    hub.failures[failure] = status
    message = refusal(best, "user/grefel", "--private", "--hub_token", WRITE_TOKEN)
    reason, _, command = message.split("\n")
    assert reason.startswith("Cannot push to user/grefel: ") and named in reason
    assert WRITE_TOKEN not in message
    assert digests(run_dir) == before
    hub.failures.clear()
    words = shlex.split(command)
    assert words[0] == "python" and Path(words[1]).resolve() == Path(push_to_hub.__file__)
    push_to_hub.main(words[2:])
    assert "training_log.jsonl" in hub.files("user/grefel") and hub.repositories["models", "user/grefel"].private


def test_tokens_that_will_not_do(hub, best, monkeypatch):
    assert "hf auth login" in refusal(best, "user/grefel", "--hub_token", "hf_nobodysToken")
    assert "right to write" in refusal(best, "user/grefel", "--hub_token", READ_TOKEN)
    monkeypatch.delenv("HF_TOKEN")
    assert "hf auth login" in refusal(best, "user/grefel")
    assert "hf auth login" in refusal(best, "grefel")
    assert hub.repositories == {}


def test_no_hub_within_reach(hub, best, monkeypatch):
    hub.shutdown()
    hub.server_close()
    assert "To go on" in refusal(best, "user/grefel")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert "HF_HUB_OFFLINE" in refusal(best, "user/grefel")


def test_a_repository_can_be_tried_before_training(hub):
    make_repository("user/grefel")
    assert ("models", "user/grefel") in hub.repositories
    with pytest.raises(PushError, match="right to write"):
        make_repository("user/other", token=READ_TOKEN)


@pytest.mark.parametrize(
    ("repo_id", "change", "words"),
    [
        ("a/b/c", None, "no name of a repository"),
        ("user/gre fel", None, "no name of a repository"),
        ("user/grefel", "no folder", "does not exist"),
        ("user/grefel", "run", "Did you mean"),
        ("user/grefel", "other model", "model_type vit"),
        ("user/grefel", "no weights", "no model.safetensors"),
        ("user/grefel", "broken weights", "cannot be loaded"),
        ("user/grefel", "too few weights", "lacks weights of the model: primary_head"),
        ("user/grefel", "broken config", "config.json"),
        ("user/grefel", "foreign figures", "evaluate.py"),
        ("user/grefel", "foreign results", "train.py"),
    ],
)
def test_bad_input_is_refused_in_a_line_before_the_hub_is_asked(hub, best, run_dir, tmp_path, repo_id, change, words):
    folder = shutil.copytree(best, tmp_path / "checkpoint")
    if change == "no folder":
        folder = tmp_path / "nowhere"
    elif change == "run":
        folder = run_dir
    elif change == "other model":
        (folder / "config.json").write_text('{"model_type": "vit"}')
    elif change == "no weights":
        (folder / "model.safetensors").unlink()
    elif change == "broken weights":
        (folder / "model.safetensors").write_bytes(b"no tensors")
    elif change == "too few weights":
        weights = load_file(folder / "model.safetensors")
        kept = {name: value for name, value in weights.items() if not name.startswith("primary_head")}
        save_file(kept, folder / "model.safetensors", {"format": "pt"})
    elif change == "broken config":
        (folder / "config.json").write_text("{")
    elif change == "foreign figures":
        (folder / "evaluation.json").write_text('{"weights_sha256": "0"}')
    elif change == "foreign results":
        (folder / "all_results.json").write_text('{"eval_accuracy": 1.0}')
    message = refusal(folder, repo_id)
    assert words in message.split("\n")[0]
    assert hub.requests == []


def test_space_has_the_page_and_reads_the_model(hub, best):
    push_to_hub.main([str(best), "user/grefel", "--space", "user/page"])
    assert commits(hub, "user/page", "spaces")[1:] == ["Upload the page of user/grefel"]
    assert hub.repositories["spaces", "user/page"].variables == {"GREFEL_MODEL": "user/grefel"}
    files = hub.files("user/page", kind="spaces")
    assert files.keys() >= {"app.py", "requirements.txt", "space/page.py", "space/page.css", "grefel_hf/__init__.py"}
    modules = {str(file.relative_to(REPOSITORY)) for file in (REPOSITORY / "grefel_hf").rglob("*.py")}
    assert files.keys() >= modules
    assert not [path for path in files if path.startswith(("grefel_hf/checkpoints", "train")) or path.endswith(".pyc")]
    metadata = yaml.safe_load(files["README.md"].decode().split("---\n")[1])
    assert metadata["sdk"] == "gradio" and metadata["app_file"] == "app.py"
    assert f"gradio=={metadata['sdk_version']}" in files["requirements.txt"].decode().splitlines()
    assert metadata["models"] == ["user/grefel"]
    assert metadata["preload_from_hub"][0] == "user/grefel"


def test_space_of_a_private_model_is_private_and_says_what_it_needs(hub, best):
    push_to_hub.main([str(best), "user/grefel", "--space", "user/page", "--private"])
    assert hub.repositories["spaces", "user/page"].private
    readme = hub.files("user/page", kind="spaces")["README.md"].decode()
    assert "HF_TOKEN" in readme
    assert "user/grefel" not in yaml.safe_load(readme.split("---\n")[1])["preload_from_hub"]


def test_space_without_its_model_is_refused(hub):
    with pytest.raises(PushError, match="no model user/nothing"):
        push_space("user/page", "user/nothing")
    assert hub.repositories == {}


def test_a_space_that_fails_can_be_pushed_by_the_command_that_is_named(hub, best):
    hub.failures["variable"] = 500
    message = refusal(best, "user/grefel", "--space", "user/page")
    hub.failures.clear()
    push_to_hub.main(shlex.split(message.split("\n")[-1])[2:])
    assert "app.py" in hub.files("user/page", kind="spaces")


def test_space_reads_the_main_branch_only(hub, best, capsys):
    assert refusal(best, "user/grefel", "--space", "user/page", "--revision", "other") == "2"
    assert "--space" in capsys.readouterr().err
