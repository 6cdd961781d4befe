"""The course in a browser: chapters, questions, breakages, exercises, frozen pages."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from gradatim.course import CHAPTERS, Chapter
from gradatim.course.exercise import load_exercise
from tests.browser.conftest import PATIENCE_S, Watched
from tests.warm import WARM

SLUGS = [chapter.slug for chapter in CHAPTERS]
FROZEN = ["ch02_descent", "ch07_graph", "ch11_step"]


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    folder = tmp_path_factory.mktemp("learner")
    program = "from gradatim.cli.main import main; main()"
    command = [sys.executable, "-c", program, "learn", "--no-open"]
    server = subprocess.Popen(
        [*command, "--folder", str(folder)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={
            "PATH": "/usr/bin:/bin",
            "HOME": str(folder),
            "PYTHONPATH": os.environ.get("PYTHONPATH", ""),
            "PYTHONUNBUFFERED": "1",
        },
    )
    line = server.stdout.readline()
    try:
        yield re.search(r"http\S+", line)[0]
    finally:
        server.terminate()
        server.wait()
        server.stdout.close()


@pytest.fixture
def open_page(context, tab, address):
    """Open pages; at the end none has complained, nor asked another host."""
    watched = []

    def open_page(path="", *, width=1400, height=900):
        page = context.new_page() if watched else tab
        watched.append(Watched(page, kinds=["error"]))
        page.set_viewport_size({"width": width, "height": height})
        page.goto(address)
        if path:
            page.click(f'a[href*="{path}"]')
            page.wait_for_selector("nav[aria-label=chapters]")
        return page

    yield open_page
    for each in watched:
        each.leave_alone()
    for each in watched[1:]:
        each.page.close()
    assert [error for each in watched for error in each.errors] == []
    hosts = {url.split("/")[2] for each in watched for url in each.requests}
    own = address.split("/")[2]
    assert {host for host in hosts if host} <= {own}


def test_it_is_up(address, open_page):
    assert address.startswith("http://127.0.0.1:")
    assert CHAPTERS[0].title in open_page().inner_text("body")


WIDE = """() => [...document.querySelectorAll('svg[role=img], nav, img, pre')]
    .map((each) => [each.tagName, each.getBoundingClientRect()])
    .filter(([name, box]) => box.right > innerWidth + 1 || box.left < -1)
    .map(([name, box]) => name + ' ' + box.left + ' to ' + box.right)"""


def eventually(page, look, wanted):
    """Look again until ``wanted`` is seen; give what was seen last."""
    end = time.monotonic() + PATIENCE_S
    while (value := look()) != wanted and time.monotonic() < end:
        page.wait_for_timeout(50)
    return value


def choose(page, text):
    page.get_by_text(text, exact=True).first.click()
    page.wait_for_selector("text=/Right|The answer/")


def wait_for_count(page, pattern, count):
    """Wait until so many bold texts are like that; callouts are in shadow trees."""
    bold = page.locator("strong", has_text=re.compile(pattern))
    assert eventually(page, bold.count, count) == count


@pytest.mark.parametrize("slug", SLUGS)
def test_a_chapter_shows_all_it_has_and_nothing_is_wider_than_the_page(open_page, slug):
    """Each prediction is made, right or wrong, and each button pressed that breaks."""
    page = open_page(slug, height=3000)
    chapter = CHAPTERS[SLUGS.index(slug)]
    assert chapter.title in page.inner_text("h1")
    groups = page.locator("[role=radiogroup]")
    before = page.locator("svg[role=img]").count()
    for number in range(groups.count()):
        choices = groups.nth(number).locator("[role=radio]")
        choices.nth(number % choices.count()).click()
        # What appears moves the page: the next click waits until it has.
        wait_for_count(page, r"^(Right\.|The answer:)", number + 1)
    breaking = page.locator("button", has_text="Break it:")
    for number in range(breaking.count()):
        breaking.nth(number).click()
        wait_for_count(page, "^Cure:$", number + 1)
    assert page.locator("svg[role=img]").count() > before
    assert page.locator("marimo-traceback, [data-testid=cell-error]").count() == 0
    told = page.inner_text("body")
    assert "Traceback" not in told, told
    for width in (1400, 400):
        page.set_viewport_size({"width": width, "height": 3000})
        assert eventually(page, lambda: page.evaluate(WIDE), []) == [], width


def test_a_slider_moves_and_the_picture_changes(open_page):
    page = open_page("ch02_descent")
    assert page.locator("svg[role=img]").count() == 0, "before the prediction"
    choose(page, "Never arrive")
    page.wait_for_selector("strong:has-text('comes down')")
    before = page.locator("svg[role=img]").first.inner_html()
    slider = page.locator("[role=slider]").first
    slider.focus()
    page.keyboard.press("End")
    page.wait_for_function(
        "(before) => document.querySelector('svg[role=img]').innerHTML !== before",
        arg=before,
    )
    page.wait_for_selector("strong:has-text('diverges')")
    choose(page, "Arrive just the same")
    page.wait_for_timeout(700)  # what must not happen gets time to happen
    assert slider.get_attribute("aria-valuenow") != "2", "another choice has reset it"
    assert page.locator("strong:has-text('diverges')").count() == 1


def test_a_picture_plays_steps_and_begins_again(open_page):
    page = open_page("ch03_numpy")
    choose(page, "About 250")
    told = page.locator("[data-player] .player-told")
    assert told.inner_text().startswith("Epoch 0: a 0.4967")
    line = page.locator("[data-player] [data-line]")
    first = line.get_attribute("y1")
    page.get_by_role("button", name="one more epoch").click()
    assert told.inner_text().startswith("Epoch 1: a 0.8012")
    assert line.get_attribute("y1") != first
    page.get_by_role("button", name="play", exact=True).click()
    page.wait_for_function(
        "() => !/^Epoch [0-9]:/.test("
        "document.querySelector('[data-player] .player-told').textContent)",
    )
    page.get_by_role("button", name="pause", exact=True).click()
    held = told.inner_text()
    page.wait_for_timeout(400)  # four frames, if it went on
    assert told.inner_text() == held
    page.get_by_role("button", name="from the start").click()
    assert told.inner_text().startswith("Epoch 0:")
    assert line.get_attribute("y1") == first
    slider = page.get_by_role("slider", name="epoch")
    slider.focus()
    page.keyboard.press("End")
    assert told.inner_text().startswith("Epoch 300:")


def test_another_learning_rate_keeps_the_frame(open_page):
    page = open_page("ch02_descent")
    choose(page, "Never arrive")
    told = page.locator("[data-player] .player-told")
    page.get_by_role("button", name="from the start").click()
    page.get_by_role("button", name="one more step").click()
    before = told.inner_text()
    assert before.startswith("Update 1:")
    page.locator("[role=slider]").first.focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_function(
        "(before) => document.querySelector('[data-player] .player-told')"
        ".textContent !== before",
        arg=before,
    )
    assert told.inner_text().startswith("Update 1:")


def test_a_wrong_prediction_gets_its_explanation(open_page):
    page = open_page("ch02_descent")
    page.get_by_text("Arrive ten times sooner", exact=True).click()
    page.wait_for_selector("text=The answer: Never arrive.")
    page.wait_for_selector("text=Up to a limit a larger rate is faster")
    page.get_by_text("Never arrive", exact=True).first.click()
    page.wait_for_selector("text=Right.")


def test_what_breaks_shows_its_exception(open_page):
    page = open_page("ch06_autograd")
    button = page.locator("button", has_text="Break it").first
    button.click()
    page.wait_for_selector("text=Cure:")
    for number, other in enumerate(page.locator("button", has_text="Break it").all()):
        if number:
            other.click()
        wait_for_count(page, "^Cure:$", number + 1)
    told = page.inner_text("body")
    assert "RuntimeError" in told or "AttributeError" in told


def type_answer(page, code):
    field = page.locator(".cm-content").first
    field.click()
    page.keyboard.press("Control+a")
    page.keyboard.press("Delete")
    page.keyboard.insert_text(code)


def test_a_right_answer_is_accepted_and_a_wrong_one_is_not(open_page):
    exercise = load_exercise("ex02_gradients")
    page = open_page("ch02_descent")
    type_answer(page, exercise.mutants["the sign"])
    page.get_by_role("button", name="Check").click()
    page.wait_for_selector("text=Not yet")
    type_answer(page, exercise.solution)
    page.get_by_role("button", name="Check").click()
    page.wait_for_selector("text=Solved.")
    contents = open_page()
    assert "1 of 1 solved" in contents.inner_text("body")


ACTIVE = """() => { let e = document.activeElement;
    while (e.shadowRoot && e.shadowRoot.activeElement) e = e.shadowRoot.activeElement;
    return [e.tagName, e.getAttribute('role') || '', e.className.toString()]; }"""


def test_the_keyboard_alone_is_enough(open_page):
    page = open_page("ch02_descent")
    page.wait_for_selector(".cm-content")
    page.locator("[role=radio]").first.focus()
    page.keyboard.press("Space")
    page.wait_for_selector("text=The answer")
    page.wait_for_selector("[role=slider]")
    page.evaluate("document.activeElement.blur()")
    seen = set()
    for _ in range(80):
        page.keyboard.press("Tab")
        tag, role, name = page.evaluate(ACTIVE)
        seen.add((tag, role))
        if "cm-content" in name:
            seen.add("the code")
            page.keyboard.press("Escape")  # a code field takes Tab for itself
    assert {("BUTTON", "radio"), "the code", ("A", "")} <= seen, seen
    assert any(role == "slider" for _, role in seen - {"the code"}), seen
    assert ("BUTTON", "") in seen


def test_two_windows_do_not_disturb_each_other(open_page):
    one, other = open_page("ch02_descent"), open_page("ch02_descent")
    for each in (one, other):
        choose(each, "Never arrive")
        each.wait_for_selector("svg[role=img]")
    before = other.locator("svg[role=img]").first.inner_html()
    one.locator("[role=slider]").first.focus()
    one.keyboard.press("End")
    one.wait_for_selector("text=diverges")
    other.wait_for_timeout(1000)  # what must not happen gets time to happen
    assert other.locator("svg[role=img]").first.inner_html() == before
    assert "comes down" in other.inner_text("body")


def test_next_and_previous_lead_through_the_course(open_page):
    page = open_page("ch01_problem")
    for place, link in ((1, "a:last-child"), (0, "a:first-child"), (1, "a:last-child")):
        page.click(f"nav[aria-label=chapters] {link}")
        title = page.locator("h1", has_text=CHAPTERS[place].title)
        shown = eventually(page, title.count, 1)
        assert shown == 1, (page.url, page.inner_text("body")[:1000])
        page.wait_for_selector("nav[aria-label=chapters]")


def test_no_service_worker_stands_before_a_chapter(open_page):
    page = open_page("ch01_problem")
    registered = "navigator.serviceWorker.getRegistrations().then((all) => all.length)"
    assert "serviceWorker.register('./public-files-sw.js" in page.content()
    page.wait_for_timeout(1000)  # what must not happen gets time to happen
    assert page.evaluate(registered) == 0


@dataclass(frozen=True, kw_only=True)
class Elsewhere(Chapter):
    """A chapter in another folder."""

    folder: Path

    @property
    def path(self):
        return self.folder / f"{self.slug}.md"

    @property
    def package(self):
        return CHAPTERS[1].package


def serve(port, chapters, home):
    """Serve chapters, without end: the threads of an open chapter do not end either."""
    for name in ("HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME"):
        os.environ[name] = str(home)
    from gradatim.course.server import serving

    with serving(port, "token", chapters):
        signal.pause()


def is_up(port):
    try:
        socket.create_connection(("127.0.0.1", port)).close()
    except ConnectionRefusedError:
        return False
    return True


def test_a_chapter_that_raises_shows_where_and_the_others_work(browser, tmp_path):
    from gradatim.course.server import HOST

    source = CHAPTERS[1].path.read_text(encoding="utf-8")
    question = "**Predict.** "
    wrong = "```python {.marimo}\n1 / 0\n```\n\n"
    broken = source.replace(question, f"{wrong}{question}", 1)
    (tmp_path / "ch01_broken.md").write_text(broken, encoding="utf-8")
    (tmp_path / "ch02_sound.md").write_text(source, encoding="utf-8")
    chapters = tuple(
        Elsewhere(number=n, name=name, title=name, about="", folder=tmp_path)
        for n, name in enumerate(("broken", "sound"), 1)
    )
    with socket.create_server((HOST, 0)) as probe:
        port = probe.getsockname()[1]
    context = browser.new_context(viewport={"width": 1200, "height": 2500})
    context.set_default_timeout(1000 * PATIENCE_S)
    server = WARM.Process(target=serve, args=(port, chapters, tmp_path))
    server.start()
    try:
        end = time.monotonic() + PATIENCE_S
        while not is_up(port) and server.is_alive() and time.monotonic() < end:
            time.sleep(0.02)
        for chapter in chapters:
            page = context.new_page()
            page.goto(f"http://{HOST}:{port}/?access_token=token")
            page.click(f'a[href*="{chapter.slug}"]')
            page.wait_for_selector("nav[aria-label=chapters]")
            told = page.inner_text("body")
            assert ("ZeroDivisionError" in told) == (chapter.name == "broken")
            # The rest of a broken chapter works, too.
            choose(page, "Never arrive")
            page.wait_for_selector("strong:has-text('comes down')")
            if chapter.name == "broken":
                assert "line" in told and "1 / 0" in told
            page.close()
        context.close()
    finally:
        server.kill()
        server.join()


@pytest.fixture(scope="module")
def frozen(tmp_path_factory):
    from gradatim.course.freeze import freeze

    folder = tmp_path_factory.mktemp("frozen")
    chapters = tuple(chapter for chapter in CHAPTERS if chapter.slug in FROZEN)
    process = WARM.Process(target=freeze, args=(folder, chapters))
    process.start()  # in pytest's own, checking annotations would take most of the time
    process.join()
    assert process.exitcode == 0
    return folder


@pytest.mark.parametrize("slug", FROZEN)
def test_a_frozen_page_moves_from_a_file(browser, frozen, slug):
    context = browser.new_context(offline=True)
    context.set_default_timeout(1000 * PATIENCE_S)
    page = context.new_page()
    complaints, requests = [], []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on(
        "console", lambda m: complaints.append(m.text) if m.type == "error" else None
    )
    page.on("request", lambda r: requests.append(r.url))
    page.goto((frozen / f"{slug}.html").as_uri())
    assert page.locator("[data-player]:not(.moves)").count() == 0
    assert page.locator("[data-after]:visible").count() == 0
    for number in range(page.locator("fieldset").count()):
        page.locator("fieldset").nth(number).locator("input").first.check()
    assert page.locator("[data-after]:visible").count() > 0
    control = page.locator("input[data-name][type=range], select").first
    before = page.inner_html("main")
    control.evaluate(
        """(each) => { if (each.tagName === 'SELECT') each.selectedIndex =
          (each.selectedIndex + 1) % each.options.length;
        else each.value = each.value === each.max ? each.min : each.max;
        each.dispatchEvent(new Event('input')); }"""
    )
    assert page.inner_html("main") != before
    player = page.locator("[data-player]").first
    if player.count():
        player.get_by_role("button", name="from the start").click()
        first = player.inner_html()
        player.locator("button[data-go='1']").click()
        assert player.inner_html() != first
    assert complaints == []
    assert all(url.startswith("file:") for url in requests)
    context.close()
