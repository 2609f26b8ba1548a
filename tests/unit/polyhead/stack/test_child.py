"""Child processes start in order, end in order, and never outlive their parent."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from polyhead.stack.child import Child
from polyhead.stack.errors import StackError
from polyhead.stack.lock import FolderLock
from tests.processes import is_alive

ROOT = Path(__file__).parents[4]
READY = "import sys, signal, time; {prepare} print('ready', flush=True); time.sleep(60)"


def python_child(folder: Path, code: str) -> Child:
    return Child("child", [sys.executable, "-c", code], dict(os.environ), folder, folder / "child.log")


def wait_for_log(child: Child, word: str) -> None:
    """Until the child has written `word`; the test's own time limit ends the wait."""
    while word not in child.tail():
        assert child.exit_status is None, child.tail()


def test_child_that_is_asked_to_stop_ends_by_itself(tmp_path: Path) -> None:
    """SIGTERM first, so that a server can drain."""
    prepare = "signal.signal(signal.SIGTERM, lambda *_: (print('drained', flush=True), sys.exit(0)));"
    child = python_child(tmp_path, READY.format(prepare=prepare))
    child.start()
    wait_for_log(child, "ready")
    child.stop(grace_s=30)
    assert "drained" in child.tail()
    assert child.pid == 0
    child.stop(grace_s=0)


def test_child_that_ignores_the_request_is_killed_with_its_group(tmp_path: Path) -> None:
    """A hanging process must not hang the stop, nor leave a process of its own behind."""
    grandchild = "import subprocess; print(subprocess.Popen(['sleep', '60']).pid, flush=True);"
    prepare = "signal.signal(signal.SIGTERM, signal.SIG_IGN);" + grandchild
    child = python_child(tmp_path, READY.format(prepare=prepare))
    child.start()
    wait_for_log(child, "ready")
    pid = int(child.tail().split()[0])
    child.stop(grace_s=0.1)
    while is_alive(pid):
        pass
    assert child.pid == 0


def test_child_that_dies_is_noticed_with_status_and_log(tmp_path: Path) -> None:
    """Whoever watches the stack must be able to say why."""
    child = python_child(tmp_path, "import sys; print('no such model'); sys.exit(7)")
    child.start()
    while not child.has_died:
        pass
    assert child.exit_status == 7
    assert child.how_it_died == "ended by itself with exit status 7"
    assert child.tail() == "no such model"
    child.stop(grace_s=1)


def test_child_that_a_signal_ends_says_which(tmp_path: Path) -> None:
    """SIGKILL that nobody sent is the kernel's, for want of memory."""
    child = python_child(tmp_path, "import os, signal; os.kill(os.getpid(), signal.SIGKILL)")
    child.start()
    while not child.has_died:
        pass
    assert child.how_it_died == "was ended by SIGKILL (signal 9)"
    child.stop(grace_s=1)


def test_child_that_is_started_again_keeps_the_log_of_the_first_start(tmp_path: Path) -> None:
    """Why it died is asked after it was started again; the tail is of this start alone."""
    for word in ("first", "second"):
        child = python_child(tmp_path, f"print('{word}')")
        child.start()
        while not child.has_died:
            pass
        assert child.tail() == word
        child.stop(grace_s=1)
    lines = (tmp_path / "child.log").read_text().splitlines()
    assert lines[1::2] == ["first", "second"]
    assert all(line.startswith("=== child started ") for line in lines[::2])


@pytest.mark.skipif(sys.platform != "linux", reason="the tether needs prctl")
def test_parent_killed_with_9_takes_its_children_along(tmp_path: Path) -> None:
    """After a crash nothing may keep ports, memory or the store's lease."""
    code = (
        "import sys, time\nfrom pathlib import Path\nfrom polyhead.stack.child import Child\n"
        f"child = Child('c', ['/bin/sleep', '60'], {{}}, Path({str(tmp_path)!r}), Path({str(tmp_path / 'c.log')!r}))\n"
        "child.start()\nprint(child.pid, flush=True)\ntime.sleep(60)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, cwd=ROOT)
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    while Path(f"/proc/{pid}/comm").read_text() != "sleep\n":
        pass
    parent.kill()
    parent.wait()
    parent.stdout.close()
    while is_alive(pid):
        pass


def test_folder_lock_refuses_a_second_stack_and_names_the_first(tmp_path: Path) -> None:
    """Two stacks would write into each other's logs."""
    first, second = FolderLock(tmp_path / "state" / "lock"), FolderLock(tmp_path / "state" / "lock")
    first.acquire()
    with pytest.raises(StackError, match=str(os.getpid())):
        second.acquire()
    first.release()
    second.acquire()
    second.release()
