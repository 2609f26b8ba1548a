"""The `polyhead` command as scripts and people use it: a process, its output and its exit status."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy
import pytest

from polyhead.v1 import models_pb2
from tests.integration.client.fake_service import FakeServer

ROOT = Path(__file__).parents[3]
RECIPE = """
tasks:
  - {name: sentiment, labels: [negative, positive], data: {train: a.csv}}
optimizer: {epochs: 2}
"""


@pytest.fixture
def recipe(tmp_path: Path) -> str:
    path = tmp_path / "recipe.yaml"
    path.write_text(RECIPE)
    return str(path)


def run(target: str, *arguments: str, stdin: str | bytes = "") -> subprocess.CompletedProcess[str]:
    """Run the command against `target`."""
    environment = {**os.environ, "POLYHEAD_SERVER": target, "PYTHONIOENCODING": "utf-8"}
    done = subprocess.run(
        [sys.executable, "-m", "polyhead", *arguments],
        input=stdin if isinstance(stdin, bytes) else stdin.encode(),
        capture_output=True,
        check=False,
        env=environment,
        cwd=ROOT,
        timeout=60,
    )
    ended = subprocess.CompletedProcess(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())
    assert "Traceback" not in ended.stderr, ended.stderr
    return ended


def test_predict_of_arguments_prints_a_table(server: FakeServer) -> None:
    """What a person sees first."""
    done = run(server.target, "predict", "a good day", "rain")
    assert done.returncode == 0, done.stderr
    assert "version 3" in done.stdout
    assert "positive 0.750" in done.stdout


def test_predict_json_of_stdin_holds_each_sentence(server: FakeServer) -> None:
    """Scripts pipe lines in and parse JSON; blank lines and line separators inside a tweet are no ends of sentences."""
    done = run(server.target, "predict", "--json", "--embedding", stdin="a good\u2028day\r\n\nrain [/red]\n")
    body = json.loads(done.stdout)
    assert [result["sentence"] for result in body["results"]] == ["a good\u2028day", "rain [/red]"]
    assert body["results"][0]["predictions"]["sentiment"]["label"] == "positive"
    assert len(body["results"][0]["embedding"]) == 3
    assert body["model_version"] == 3


def test_predict_of_a_long_file_is_sent_in_portions(server: FakeServer, tmp_path: Path) -> None:
    """The server takes eight sentences at once; a person's file may have forty."""
    path = tmp_path / "lines.txt"
    path.write_text("".join(f"good {number}\n" for number in range(40)))
    done = run(server.target, "predict", "--json", "--file", str(path), "--task", "sentiment")
    assert len(json.loads(done.stdout)["results"]) == 40
    assert len(server.inference.last_predict.sentences) == 8
    assert list(server.inference.last_predict.tasks) == ["sentiment"]


def test_table_of_a_sentence_with_markup_prints_it_as_it_is(server: FakeServer) -> None:
    """Square brackets are text, not colours."""
    assert "[bold]good[/bold] :smile:" in run(server.target, "predict", "[bold]good[/bold] :smile:").stdout


def test_embed_similarity_prints_the_cosine_matrix(server: FakeServer) -> None:
    """0.48 is the cosine of the two vectors that the server gives."""
    done = run(server.target, "embed", "--similarity", "good", "rain")
    assert "0.48" in done.stdout
    assert done.stdout.count("1.00") == 2


def test_embed_json_with_similarity_holds_both(server: FakeServer) -> None:
    """Vectors and matrix in one document."""
    body = json.loads(run(server.target, "embed", "--similarity", "--json", "good", "rain").stdout)
    assert body["similarity"][0][1] == pytest.approx(0.48, abs=1e-6)
    assert body["embeddings"][0]["sentence"] == "good"


def test_embed_out_and_plot_write_their_files(server: FakeServer, tmp_path: Path) -> None:
    """A matrix for NumPy and a picture, in one call."""
    vectors, image = tmp_path / "v.npy", tmp_path / "map.png"
    done = run(server.target, "embed", "--out", str(vectors), "--plot", str(image), "good a", "rain", "good b")
    assert done.returncode == 0, done.stderr
    assert numpy.load(vectors).shape == (3, 3)
    assert image.read_bytes().startswith(b"\x89PNG")


def test_train_follows_the_job_and_prints_metrics_and_version(server: FakeServer, recipe: str) -> None:
    """The whole way of a job, without a terminal: progress on stderr, results on stdout."""
    done = run(server.target, "train", recipe, "--set", "optimizer.epochs=7", "--request-id", "r9")
    assert done.returncode == 0, done.stderr
    assert "training · step 5/10 · loss sentiment 0.700 · 99 examples/s · 0:02 left" in done.stderr
    assert "TF-IDF + LR" in done.stdout
    assert "version 4 published" in done.stdout
    assert done.stdout.endswith("version 4 is served\n")
    assert server.models.serving == 4
    sent = server.training.requests[-1]
    assert (sent.spec.optimizer.epochs, sent.request_id) == (7, "r9")


def test_train_from_options_needs_no_recipe(server: FakeServer) -> None:
    """One CSV and one line."""
    done = run(
        server.target,
        *(
            "train",
            "--task",
            "team",
            "--labels",
            "a,b",
            "--data",
            "t.csv",
            "--text-column",
            "body",
            "--no-watch",
            "--json",
        ),
    )
    assert json.loads(done.stdout)["state"] == "QUEUED"
    task = server.training.requests[-1].spec.tasks[0]
    assert (task.name, list(task.labels), task.data.train, task.data.text_column) == (
        "team",
        ["a", "b"],
        "t.csv",
        "body",
    )
    assert not task.data.HasField("label_column")


def test_train_dry_run_queues_nothing_and_says_what_it_checked(server: FakeServer, recipe: str) -> None:
    """The server's word on a spec, without a job; a valid spec says nothing about the data."""
    done = run(server.target, "train", recipe, "--dry-run")
    assert done.returncode == 0
    assert "layer.0" in done.stdout
    assert "never thawed, since the job ends before: embeddings" in done.stdout
    assert "the worker checks files, columns and labels" in done.stderr
    assert server.training.requests[-1].validate_only


@pytest.mark.parametrize(
    ("setting", "status", "fields"),
    [("optimizer.epochs=1", 0, []), ("tasks=[]", 1, ["spec.tasks"]), ("optimizer.epoks=1", 2, ["optimizer.epoks"])],
)
def test_train_dry_run_json_prints_the_violations(
    server: FakeServer, recipe: str, setting: str, status: int, fields: list[str]
) -> None:
    """For an editor or a CI that marks the lines, whoever found the violation."""
    done = run(server.target, "train", recipe, "--dry-run", "--json", "--set", setting)
    body = json.loads(done.stdout)
    assert (done.returncode, body["valid"]) == (status, not fields)
    assert [violation["field"] for violation in body["violations"]] == fields
    assert ("plan" in body) == (not fields)
    assert all(violation["description"] for violation in body["violations"])


def test_train_help_has_examples_and_says_what_is_replaced(server: FakeServer) -> None:
    """The one surprise of a second job, where people look first."""
    text = run(server.target, "train", "--help").stdout
    assert "  polyhead train --task team --labels billing,shipping,other --data team.csv\n" in text
    assert "exactly the tasks of this job" in text


def test_train_of_a_job_that_fails_exits_with_1_and_says_why(server: FakeServer, recipe: str) -> None:
    """Scripts branch on the status; people read the reason."""
    done = run(server.target, "train", recipe, "--request-id", "fail1")
    assert done.returncode == 1
    assert "INVALID_DATA: train.csv row 7: no text" in done.stderr


def test_train_json_leaves_stdout_to_the_job(server: FakeServer, recipe: str) -> None:
    """Scripts parse it; that the version is served is known by the exit status."""
    done = run(server.target, "train", recipe, "--json")
    assert json.loads(done.stdout)["version"] == 4
    assert "version 4 is served" in done.stderr


@pytest.mark.parametrize(
    ("request_id", "status", "words"),
    [
        ("refused1", 1, "error: the server refused version 4 and still serves version 3: probe outputs differ"),
        ("superseded1", 0, "note: version 4 is not served: version 5, which is newer, already took over"),
    ],
)
def test_train_of_a_version_that_is_never_served_says_why(
    server: FakeServer, recipe: str, request_id: str, status: int, words: str
) -> None:
    """Published is not served; the next command would be answered by another model."""
    for command in (("train", recipe, "--request-id", request_id), ("jobs", "watch", request_id)):
        done = run(server.target, *command)
        assert done.returncode == status
        assert words in done.stderr.splitlines()
        assert "is served" not in done.stdout


def test_train_without_a_served_task_warns_before_it_queues(server: FakeServer) -> None:
    """Clients of that task would get NOT_FOUND as soon as the new model takes over."""
    job = ("train", "--task", "team", "--labels", "a,b", "--data", "t.csv", "--no-watch")
    done = run(server.target, *job)
    warning, accepted = done.stderr.splitlines()
    assert "only this job's tasks (team)" in warning
    assert "replaces version 3, and sentiment will no longer be served" in warning
    assert "accepted" in accepted
    assert "warning" not in run(server.target, *job, "--task", "sentiment", "--labels", "a,b", "--data", "t").stderr


def test_jobs_and_models_are_listed_as_tables_and_json(server: FakeServer) -> None:
    """Every reading command has both forms."""
    assert len(json.loads(run(server.target, "jobs", "list", "--limit", "3", "--json").stdout)) == 3
    assert "RUNNING" in run(server.target, "jobs", "list").stdout
    assert json.loads(run(server.target, "jobs", "show", "job1", "--json").stdout)["version"] == 4
    assert "version 4 published" in run(server.target, "jobs", "show", "job1").stdout
    assert json.loads(run(server.target, "models", "list", "--json").stdout)[0]["number"] == 3
    assert "0.880" in run(server.target, "models", "list").stdout
    assert json.loads(run(server.target, "info", "--json").stdout)["model"]["version"] == 3
    assert "version 2 of release 2: hash" in run(server.target, "models", "info").stdout


def test_jobs_watch_json_prints_one_line_a_change(server: FakeServer) -> None:
    """A stream that `jq` or `while read` can follow."""
    done = run(server.target, "jobs", "watch", "job1", "--json")
    states = [json.loads(line)["state"] for line in done.stdout.splitlines()]
    assert states == ["QUEUED", "RUNNING", "SUCCEEDED"]
    assert run(server.target, "jobs", "watch", "fail2", "--json").returncode == 1


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["predict", "INVALID_ARGUMENT"], 1, ["refused with", "sentences[0]: is bad"]),
        (["predict", "RESOURCE_EXHAUSTED"], 1, ["try again in 1.5 s"]),
        (["predict", "INTERNAL"], 1, ["INTERNAL"]),
        (["predict", "UNAVAILABLE"], 3, ["refused with UNAVAILABLE"]),
        (["--timeout", "0.2", "predict", "slow"], 3, ["did not answer within 0.2 s (--timeout, DEADLINE_EXCEEDED)"]),
        (["--server", "garbage:abc", "info"], 2, ["--server garbage:abc", "host:port"]),
        (["--timeout", "1e12", "info"], 2, ["--timeout must be", "(got 1000000000000.0)"]),
        (["up", "--listen", "foo"], 2, ["--listen foo", "host:port"]),
        (["up", "--listen", "127.0.0.1:65536"], 2, ["1 to 65535"]),
        (["jobs", "show", "missing"], 1, ["no job 'missing'"]),
        (["predict", "--nonsense"], 2, ["--nonsense"]),
        (["predict"], 2, ["no sentences"]),
        (["predict", "--file", "none.txt"], 2, ["none.txt"]),
        (["embed", "a", "--out", "v.txt"], 2, [".npy"]),
        (["embed", "a", "--plot", "map.png"], 2, ["at least 3"]),
        (["train"], 2, ["name a recipe file, or describe one task", "polyhead train --task team --labels"]),
        (["train", "recipes/demo-samples.yaml", "--task", "a"], 2, ["not both"]),
        (["train", "none.yaml"], 2, ["none.yaml"]),
        (["train", "--task", "a", "--data", "a.csv"], 2, ["--labels"]),
        (["train", "recipes/demo-samples.yaml", "--labels", "a,b"], 2, ["--set"]),
        (["train", "recipes/demo-samples.yaml", "--set", "optimizer.epoks=1"], 2, ["optimizer.epoks", "unknown field"]),
        (["train", "recipes/demo-samples.yaml", "--set", "tasks=[]"], 1, ["spec.tasks: name at least one task"]),
    ],
)
def test_command_that_fails_says_why_and_exits_with_its_status(
    server: FakeServer, arguments: list[str], status: int, words: list[str]
) -> None:
    """The exit statuses of `polyhead --help`, and never a stack trace."""
    done = run(server.target, *arguments)
    assert done.returncode == status, done.stderr
    assert done.stdout == ""
    for word in words:
        assert word in done.stderr


def test_command_without_a_server_exits_with_3_and_names_the_address() -> None:
    """The commonest mistake."""
    done = run("127.0.0.1:1", "info", "--json")
    assert done.returncode == 3
    assert "127.0.0.1:1" in done.stderr
    assert "start one with `polyhead up`" in done.stderr


def test_command_whose_server_is_not_ready_does_not_say_to_start_one(server: FakeServer) -> None:
    """It is there, and says itself what it waits for; a second one would not get its port."""
    done = run(server.target, "predict", "UNAVAILABLE")
    assert done.returncode == 3
    assert done.stderr == f"error: {server.target}: refused with UNAVAILABLE (UNAVAILABLE)\n"


@pytest.mark.parametrize(("model", "kind"), [("3", "version"), ("03", "version"), ("stable", "alias"), ("v3", "alias")])
def test_model_of_digits_is_a_version_and_any_other_an_alias(server: FakeServer, model: str, kind: str) -> None:
    """As the client library reads it."""
    done = run(server.target, "predict", "--model", model, "good")
    assert done.returncode == 0, done.stderr
    assert server.inference.last_predict.model.WhichOneof("model") == kind


@pytest.mark.parametrize("command", ["promote", "rollback"])
def test_change_of_the_stable_version_says_that_a_canary_goes_on(server: FakeServer, command: str) -> None:
    """Who goes back because of bad answers must know who still gives some; the line names a command that works."""
    assert "canary:" not in run(server.target, "models", command, "3").stderr
    server.models.canary = models_pb2.Canary(version=5, share=0.1)
    done = run(server.target, "models", command, "3")
    line = "canary: version 5 still gets 10 % of the traffic; end it with `polyhead models canary 5 --end`"
    assert (done.returncode, done.stderr.splitlines()) == (0, [line])
    ended = run(server.target, *line.split("`")[1].split()[1:])
    assert ended.returncode == 0, ended.stderr
    assert "canary:" not in ended.stderr
    assert server.models.last_promotion == models_pb2.PromoteRequest(
        version=5, canary_share=0, by=server.models.last_promotion.by
    )


@pytest.mark.parametrize("stdin", [b"good\nb\xe9d\n", b""])
def test_stdin_that_holds_no_sentences_in_utf8_is_refused(server: FakeServer, stdin: bytes) -> None:
    """The line is named; guessing an encoding would send other words."""
    done = run(server.target, "predict", stdin=stdin)
    assert done.returncode == 2
    assert "stdin" in done.stderr


def test_help_documents_the_exit_statuses(server: FakeServer) -> None:
    """Scripts rely on them, so they are written down."""
    text = " ".join(run(server.target, "--help").stdout.split())
    for words in (
        "0 done",
        "1 the server refused",
        "2 wrong arguments",
        "3 the server is unreachable",
        "130 interrupted",
    ):
        assert words in text


def test_reader_that_leaves_early_is_no_error(server: FakeServer) -> None:
    """`polyhead jobs list --json | head -1` must not complain."""
    command = f"{sys.executable} -m polyhead --server {server.target} jobs list --limit 600 --json | head -1"
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command], capture_output=True, text=True, cwd=ROOT, timeout=60
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "[\n", "")


def test_data_hands_its_arguments_to_the_worker(server: FakeServer) -> None:
    """Also --help and the exit status are those of worker.data."""
    done = run(server.target, "data", "--help")
    assert done.returncode == 0
    assert "fetch" in done.stdout
    assert run(server.target, "data", "nonsense").returncode == 2


def test_interrupted_watch_exits_with_130_and_says_how_to_go_on(server: FakeServer) -> None:
    """The job goes on without its watcher."""
    # A shell that starts the tests in its background hands down SIGINT as ignored.
    command = [
        "env", "--default-signal=INT", sys.executable, "-m", "polyhead", "--server", server.target,
        "jobs", "watch", "endless",
    ]  # fmt: skip
    watcher = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=ROOT)
    assert watcher.stderr is not None
    while "training" not in watcher.stderr.readline():
        pass
    watcher.send_signal(2)
    _, rest = watcher.communicate(timeout=30)
    assert watcher.returncode == 130
    assert "polyhead jobs watch endless" in rest
    assert "Traceback" not in rest


def test_command_line_without_its_extra_says_what_to_install() -> None:
    """The wheel alone has the entry point but not typer."""
    code = "import sys; sys.modules['typer'] = None; from polyhead.cli import main; sys.exit(main())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, timeout=60)
    assert done.returncode == 2
    assert "polyhead[client]" in done.stderr


@pytest.mark.parametrize(
    ("job_id", "status", "words"),
    [
        ("job1", 0, "job job1 is cancelled"),
        ("running1", 0, "job running1 is cancelled"),
        ("done1", 1, "succeeded already"),
    ],
)
def test_jobs_cancel_waits_for_the_end_and_says_it(server: FakeServer, job_id: str, status: int, words: str) -> None:
    """A script that cancels and goes on must not meet the job still running."""
    done = run(server.target, "jobs", "cancel", job_id)
    assert (done.returncode == 0) == (status == 0), done.stderr
    assert words in done.stdout + done.stderr
