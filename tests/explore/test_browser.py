"""The pages, opened as files in Chromium at two widths: drawing, dragging, sliders and rotation on all four kinds of page."""

import base64
import io
import itertools
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

from tests.support import write_finished_run
from unsupervised_learning.autoencoder import AutoEncoder
from unsupervised_learning.data.dataset import to_unit_interval
from unsupervised_learning.explore import gan_play, latent_parts, play, rendering
from unsupervised_learning.explore.subject import Sizes, Subject
from unsupervised_learning.gan import DCGAN
from unsupervised_learning.monitoring import event_files
from unsupervised_learning.monitoring.event_files import EventFile
from unsupervised_learning.monitoring.tags import FIXED_GRID
from unsupervised_learning.training import finished_run
from unsupervised_learning.training.snapshots import Snapshots
from unsupervised_learning.vae import VariationalAutoEncoder

pytestmark = [pytest.mark.browser, pytest.mark.filterwarnings("ignore::ResourceWarning")]  # selenium's sockets

WIDTHS = (1250, 420)
DENSE = ("autoencoder", "vae", "several")
SEVEN = [(0.25, 0.2), (0.5, 0.21), (0.75, 0.19), (0.6, 0.45), (0.5, 0.8)]  # a stroke, as shares of the pad
AE_3D = {"z_dim": 3, "init_stddev": 0.3}


def write_pages(folder: Path, idx_dir: Path) -> dict[str, Subject]:
    """Write a page of each kind; return their (first) runs."""
    models = {
        "autoencoder": AutoEncoder(**AE_3D),
        "vae": VariationalAutoEncoder(z_dim=2, relu_heads=True, init_stddev=0.3),
        "wide": VariationalAutoEncoder(z_dim=5, init_stddev=0.2),
        "gan": DCGAN(z_dim=20, init_stddev=0.05),
    }
    random = np.random.default_rng(0)
    for variable in models["gan"].generator.non_trainable_variables:  # as after training: other means and variances
        low, high = (-0.1, 0.1) if "moving_mean" in variable.path else (0.2, 0.5)
        variable.assign(random.uniform(low, high, variable.shape))
    subjects = {}
    for name, model in models.items():
        run = write_finished_run(folder / name, model, idx_dir)
        if name == "vae":  # snapshots of other weights: half of these
            for iteration, share in ((0, 0.1), (10, 0.5)):
                other = VariationalAutoEncoder(z_dim=2, relu_heads=True, init_stddev=0.3)
                for variable, value in zip(other.trainable_variables, model.trainable_variables, strict=True):
                    variable.assign(share * value)
                Snapshots(other, run, 3, 1000).take(iteration)
        if name == "gan":
            events = EventFile(run)
            for iteration in (0, 100):
                grid = np.full((1, 28, 28, 1), iteration / 200, np.float32)
                events.write(iteration, [event_files.image_pb(FIXED_GRID, event_files.encoded(grid).numpy())])
            events.close()
        found = finished_run.read(run)
        subjects[name] = Subject(found, found.model(), found.dataset(), 0, Sizes((1,), 10, 60, None))
        parts = (
            gan_play.PARTS if name == "gan" else (*play.PARTS, *(one for one in latent_parts.PARTS if one.name == "scatter"))
        )
        findings = {part.name: (part, part.find(subjects[name])._replace(pictures=[])) for part in parts}
        (folder / f"{name}.html").write_text(rendering.document(subjects[name], findings, {}, {}))
    (folder / "several.html").write_text(play.document([subjects[name] for name in ("autoencoder", "vae", "wide")]))
    return subjects


class Pages:
    """The pages in a browser of one width."""

    def __init__(self, folder: Path, subjects: dict[str, Subject], browser: webdriver.Chrome, width: int):
        self.folder, self.subjects, self.browser, self.width = folder, subjects, browser, width

    def open(self, name: str) -> None:
        """Open a page and wait until its interactive part has started."""
        self.browser.get((self.folder / f"{name}.html").as_uri())
        self.wait("return self.play.page && self.play.page.off !== undefined")

    def run(self, script: str, *arguments: Any) -> Any:
        return self.browser.execute_script(script, *arguments)

    def wait(self, script: str) -> None:
        WebDriverWait(self.browser, 60).until(lambda _: self.run(script))

    def settle(self) -> None:
        """Wait for two frames, so that everything the events triggered is drawn."""
        self.browser.execute_async_script("const then = arguments[0]; requestAnimationFrame(() => requestAnimationFrame(then))")

    def one(self, selector: str) -> Any:
        element = self.browser.find_element(By.CSS_SELECTOR, selector)
        self.run("arguments[0].scrollIntoView({block: 'center'})", element)
        return element

    def drag(self, element: Any, start: tuple[float, float], steps: list[tuple[float, float]]) -> None:
        """Drag from `start` by `steps`, in pixels from the element's upper left corner."""
        corner = element.size["width"] / 2, element.size["height"] / 2
        actions = ActionChains(self.browser, duration=10)
        actions.move_to_element_with_offset(element, round(start[0] - corner[0]), round(start[1] - corner[1])).click_and_hold()
        for x, y in steps:
            actions.move_by_offset(round(x), round(y))
        actions.release().perform()
        self.settle()

    def draw(self, stroke: list[tuple[float, float]]) -> None:
        pad = self.one(".pad")
        side = pad.size["width"]
        at = [(x * side, y * side) for x, y in stroke]
        moves = [(b[0] - a[0], b[1] - a[1]) for a, b in itertools.pairwise(at)]
        self.drag(pad, at[0], moves)

    def slide(self, selector: str, keys: str) -> None:
        """Move a slider by keys."""
        self.one(selector).send_keys(keys)
        self.settle()

    def press(self, selector: str) -> None:
        """Press a button by keyboard."""
        self.one(selector).send_keys(Keys.ENTER)
        self.settle()

    def pixels(self, selector: str) -> np.ndarray:
        """The grey levels of a canvas, [height, width]."""
        source = self.run("return document.querySelector(arguments[0]).toDataURL()", selector)
        return np.asarray(Image.open(io.BytesIO(base64.b64decode(source.split(",")[1]))).convert("L"))

    def state(self, column: int = 0) -> dict:
        return self.run("return self.play.page.columns[arguments[0]].state()", column)

    def assert_healthy(self) -> None:
        """No message in the console, no warning in the page, nothing wider than the window."""
        assert self.browser.get_log("browser") == []  # pyright: ignore[reportAttributeAccessIssue]
        assert not [one for one in self.browser.find_elements(By.CSS_SELECTOR, ".warn") if one.is_displayed()]
        assert self.run("return document.documentElement.scrollWidth") <= self.width


@pytest.fixture(scope="module")
def written(idx_dir, tmp_path_factory) -> tuple[Path, dict[str, Subject]]:
    folder = tmp_path_factory.mktemp("pages")
    return folder, write_pages(folder, idx_dir)


@pytest.fixture(scope="module")
def browser() -> Iterator[webdriver.Chrome]:
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not chromium or not driver:
        pytest.skip("skipped, because chromium or chromedriver is missing (Debian: apt-get install chromium chromium-driver)")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for flag in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--window-size=1300,1100"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    started = webdriver.Chrome(options=options, service=Service(driver))
    yield started
    started.quit()


@pytest.fixture(scope="module", params=WIDTHS)
def pages(request, browser, written) -> Pages:
    size = {"width": request.param, "height": 900, "deviceScaleFactor": 1, "mobile": request.param < 500}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    folder, subjects = written
    return Pages(folder, subjects, browser, request.param)


@pytest.mark.parametrize("name", DENSE)
def test_a_drawing_is_encoded_and_decoded(pages, name):
    pages.open(name)
    before, decoded = pages.state(), pages.pixels("[data-out]")
    pages.draw(SEVEN)
    seen = pages.pixels("[data-seen]") / 255
    rows, _ = np.nonzero(seen)
    assert 18 <= np.ptp(rows) + 1 <= 22  # a box of 20×20, and what the shift to the centre of mass spreads over
    middle = [(seen.sum(axis=axis) @ np.arange(28)) / seen.sum() for axis in (0, 1)]
    np.testing.assert_allclose(middle, 14, atol=0.1)  # as in MNIST, counted from 0
    assert pages.state()["z"] != before["z"]
    assert not np.array_equal(pages.pixels("[data-out]"), decoded)
    assert len(pages.browser.find_elements(By.CSS_SELECTOR, "[data-near] figcaption")) == 6 * (3 if name == "several" else 1)
    assert pages.one("[data-near] figure").size["width"] < 100  # side by side
    pages.assert_healthy()


@pytest.mark.parametrize("name", DENSE)
def test_z_follows_a_slider_and_a_drag_in_the_scatter(pages, name):
    pages.open(name)
    pages.press("[data-tests] button")  # a test digit, by keyboard
    start = pages.state()["z"]
    pages.slide(".dial input", Keys.ARROW_RIGHT * 3)
    slid = pages.state()
    assert slid["hand"]
    assert slid["z"][0] > start[0]
    assert slid["z"][1:] == start[1:]

    decoded = pages.pixels("[data-out]")
    plot = pages.one("#play-part .plot")
    place = pages.run("return self.play.page.columns[0].scatter.place()")
    size = plot.size["width"], plot.size["height"]
    away = [step if at < side / 2 else -step for step, at, side in zip((25, 15), place, size, strict=False)]  # to the middle
    pages.drag(plot, (place[0], place[1]), [(away[0], away[1])] * 2)
    dragged = pages.run("return self.play.page.columns[0].scatter.place()")
    np.testing.assert_allclose(np.subtract(dragged[:2], place[:2]), np.multiply(away, 2), atol=3)
    assert pages.state()["z"] != slid["z"]
    assert not np.array_equal(pages.pixels("[data-out]"), decoded)
    pages.press("[data-do=back]")
    assert not pages.state()["hand"]
    assert pages.state()["z"] == start
    pages.assert_healthy()


def test_the_cube_turns_and_stays_inside(pages):
    pages.open("autoencoder")
    for plot in ("#play-part .plot", "#latent-scatter .plot"):
        element = pages.one(plot)
        view = "return self.play.page.columns[0].scatter.view()"
        before, shown = pages.run(view), pages.pixels(plot)
        pages.drag(element, (30, element.size["height"] - 25), [(20, -12)] * 3)
        assert not np.array_equal(pages.pixels(plot), shown)
        if plot.startswith("#play-part"):
            after = pages.run(view)
            assert after["yaw"] - before["yaw"] == pytest.approx(0.6, abs=0.05)
            corner, edge = pages.run("return self.play.page.columns[0].scatter.corners()")
            assert corner < edge
        edges = pages.pixels(plot)
        assert (edges[0] == edges[0, 0]).all()  # nothing is drawn over the upper edge
        assert (edges[-1] == edges[-1, 0]).all()
    pages.assert_healthy()


def test_noise_moves_only_a_vaes_z_and_not_with_factor_0(pages):
    pages.open("several")
    pages.press("[data-tests] button")
    of_autoencoder, of_vae = pages.state(0)["z"], pages.state(2)["z"]
    pages.press("[data-do=epsilon]")
    assert pages.state(0)["z"] == of_autoencoder
    assert pages.state(2)["z"] != of_vae
    pages.slide("[data-sigma]", Keys.HOME)
    still = pages.state(2)["z"]
    pages.press("[data-do=epsilon]")
    assert pages.state(2)["z"] == still  # with sigma 0, z is mu
    pages.assert_healthy()


@pytest.mark.parametrize("name", ["vae", "several"])
def test_the_slider_through_training_moves_codes_and_kl(pages, name):
    pages.open(name)
    column = 0 if name == "vae" else 1
    trained, shown = pages.state(column), pages.pixels(f".model:nth-child({column + 1}) .plot")
    pages.slide("[data-snapshot]", Keys.HOME)
    assert pages.one("[data-iteration]").text == "iteration 0"
    first = pages.state(column)
    assert sum(first["kl"]) < sum(trained["kl"])
    assert not np.array_equal(pages.pixels(f".model:nth-child({column + 1}) .plot"), shown)
    pages.slide("[data-snapshot]", Keys.END)
    assert pages.state(column)["kl"] == trained["kl"]
    assert "logged" in pages.one(f".model:nth-child({column + 1}) [data-barssum]").text  # the constant 3
    pages.press("[data-do=run]")
    pages.wait("return document.querySelector('[data-do=run]').getAttribute('aria-pressed') === 'false'")  # it stops at the end
    assert pages.state(column)["kl"] == trained["kl"]
    pages.assert_healthy()


def test_a_finger_draws(pages):
    pages.open("autoencoder")
    before = pages.state()["z"]
    pages.one(".pad")
    box = pages.run("const r = document.querySelector('.pad').getBoundingClientRect(); return [r.left, r.top, r.width]")
    at = [{"x": box[0] + x * box[2], "y": box[1] + y * box[2]} for x, y in SEVEN]
    for kind, points in (("touchStart", at[:1]), *(("touchMove", [one]) for one in at[1:]), ("touchEnd", [])):
        pages.browser.execute_cdp_cmd("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    pages.settle()
    assert pages.state()["z"] != before
    pages.assert_healthy()


@pytest.mark.parametrize("name", ["autoencoder", "vae", "wide"])
def test_the_pages_networks_equal_keras(pages, name):
    pages.open(name)
    subject = pages.subjects[name]
    images = to_unit_interval(subject.dataset.test.images[:50])
    script = """
        const page = self.play.page, network = page.columns[0].network;
        return page.images.slice(0, 50).map(function (image) {
          const code = network.encode(image);
          return [Array.from(image), Array.from(code.mu), Array.from(code.logVar || []), Array.from(network.decode(code.mu))];
        });"""
    found = pages.run(script)
    seen, mu, log_var, decoded = (np.array([row[part] for row in found]) for part in range(4))
    np.testing.assert_allclose(seen, images, atol=1e-6)
    np.testing.assert_allclose(mu, subject.codes[:50], atol=1e-3)
    if name != "autoencoder":
        np.testing.assert_allclose(log_var, subject.posterior[1][:50], atol=1e-3)
    np.testing.assert_allclose(decoded, subject.decode(subject.codes[:50]), atol=1e-3)
    assert pages.run("return self.play.page.off") < 1e-4


def test_a_page_warns_if_its_arithmetic_differs_from_keras(pages):
    """A browser with other arithmetic is simulated by changing the values that Keras computed."""
    text = (pages.folder / "autoencoder.html").read_text()
    start = text.index('"codes":"') + len('"codes":"')
    end = text.index('"', start)
    codes = np.frombuffer(base64.b64decode(text[start:end]), "<f4") + np.float32(0.01)
    (pages.folder / "off.html").write_text(text[:start] + base64.b64encode(codes.tobytes()).decode() + text[end:])
    pages.open("off")
    warning = pages.one(".warn[data-warn]")
    assert warning.is_displayed()
    assert "do not trust" in warning.text
    if pages.width > 820:  # the warning is above both columns, and the models are beside the desk
        desk, time, models = (
            pages.run("return document.querySelector(arguments[0]).getBoundingClientRect().toJSON()", part)
            for part in (".desk", ".time", ".models")
        )
        assert warning.rect["width"] > desk["width"] + models["width"]
        assert desk["right"] < time["left"] == models["left"]


def test_a_palm_does_not_disturb_a_stroke(pages):
    pages.open("autoencoder")

    def stroke(*palm: tuple[float, float]) -> list[float]:
        pages.press("[data-do=clear]")
        pages.one(".pad")
        box = pages.run("const r = document.querySelector('.pad').getBoundingClientRect(); return [r.left, r.top, r.width]")
        steps = [("touchStart", SEVEN[:1]), *(("touchMove", [one, *palm]) for one in SEVEN[1:]), ("touchEnd", [])]
        if palm:
            steps.insert(1, ("touchStart", [SEVEN[0], *palm]))
        for kind, places in steps:
            points = [{"x": box[0] + x * box[2], "y": box[1] + y * box[2], "id": i} for i, (x, y) in enumerate(places)]
            for point in points:
                assert pages.run("return document.elementFromPoint(arguments[0].x, arguments[0].y).matches('.pad')", point)
            pages.browser.execute_cdp_cmd("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
        pages.settle()
        return pages.state()["z"]

    pages.press("[data-do=clear]")
    blank = pages.state()["z"]
    assert stroke((0.9, 0.9)) == stroke() != blank
    pages.assert_healthy()


def test_a_scatter_turns_at_one_speed_however_often_it_is_resized(pages):
    pages.open("autoencoder")
    pages.press("#latent-scatter [data-act=turn]")
    script = """
        const then = arguments[0], root = document.querySelector("#latent-scatter"), frames = new Map();
        const ask = requestAnimationFrame;
        requestAnimationFrame = function (act) {
          return ask(function (time) { frames.set(time, (frames.get(time) || 0) + 1); act(time); });
        };
        let left = 12;
        (function next() {
          root.style.width = 300 + 5 * left + "px";
          if (left--) { setTimeout(next, 40); return; }
          frames.clear();
          setTimeout(function () { then(Array.from(frames.values())); }, 300);
        })();"""
    drawn = pages.browser.execute_async_script(script)
    assert drawn
    assert set(drawn) == {1}
    assert pages.one("#latent-scatter [data-act=turn]").accessible_name == "stop"


def test_the_generator_answers(pages):
    pages.open("gan")
    pages.wait("return self.play.page.idle()")
    z, shown = pages.run("return self.play.page.z()"), pages.pixels("[data-out]")
    pages.press("[data-do=new]")
    pages.wait("return self.play.page.idle()")
    new = pages.run("return self.play.page.z()")
    assert new != z
    assert not np.array_equal(pages.pixels("[data-out]"), shown)
    strip = pages.pixels("[data-strip] canvas:last-child")
    pages.slide(".dial input", Keys.HOME)
    pages.press("[data-do=target]")
    pages.wait("return self.play.page.idle()")
    assert sorted(pages.run("return self.play.page.z()"))[0] == -1
    assert not np.array_equal(pages.pixels("[data-strip] canvas:last-child"), strip)
    before = pages.pixels("[data-out]")
    pages.slide("[data-walk]", Keys.END)
    pages.press("[data-do=arc]")
    pages.wait("return self.play.page.idle()")
    np.testing.assert_array_equal(pages.pixels("[data-out]"), pages.pixels("[data-strip] canvas:last-child"))
    assert not np.array_equal(pages.pixels("[data-out]"), before)
    pages.press("[data-do=target]")  # another end: the picture at the end of the walk is the new one
    pages.wait("return self.play.page.idle()")
    np.testing.assert_array_equal(pages.pixels("[data-out]"), pages.pixels("[data-strip] canvas:last-child"))
    pages.slide("[data-frame]", Keys.HOME)
    assert pages.one("[data-iteration]").text == "iteration 0"
    pages.assert_healthy()


def test_the_page_computes_itself_if_its_worker_fails(pages):
    text = (pages.folder / "gan.html").read_text()
    assert text.count('"worker":"') == 1
    (pages.folder / "no_worker.html").write_text(text.replace('"worker":"', '"worker":"onmessage = null; throw new Error(1);'))
    pages.open("no_worker")
    pages.wait("return self.play.page.idle()")
    assert pages.run("return self.play.page.off") < 0.02
    assert not pages.one("[data-warn]").is_displayed()
    for place in ("[data-out]", *(f"[data-strip] canvas:nth-child({tile})" for tile in range(1, 10))):
        assert pages.pixels(place).std() > 0, place
    pages.browser.get_log("browser")  # the worker's error, which is expected  # pyright: ignore[reportAttributeAccessIssue]


def test_the_pages_generator_equals_keras_with_rounded_weights(pages):
    pages.open("gan")
    subject = pages.subjects["gan"]
    z = np.random.default_rng(5).uniform(-1, 1, (5, 20)).astype(np.float32)
    script = "const then = arguments[1]; self.play.page.generate(arguments[0], function (image) { then(Array.from(image)); });"
    found = np.array([pages.browser.execute_async_script(script, one.tolist()) for one in z])
    np.testing.assert_allclose(found, subject.decode(z).reshape(5, -1), atol=5e-3)
    assert found.std() > 0.05  # not all the same grey, which would be equal with any weights
    assert pages.run("return self.play.page.off") < 0.02
