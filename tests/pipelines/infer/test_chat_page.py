"""The chat page in headless Chromium, by its DevTools protocol; left out where there is no Chromium."""

import asyncio
import json
import shutil
import subprocess
import threading
from urllib.parse import urlsplit

import aiohttp
import pytest

from pipelines.infer.chat import ChatServer
from pipelines.infer.model import SpeechTextModel
from tests.pipelines.infer.conftest import FakeEncoderConfig
from tests.toy_corpus import INFOS

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--autoplay-policy=no-user-gesture-required",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
    "--remote-debugging-port=0",
)
ASK = """(async () => {
  const until = async (found) => { while (!found()) await new Promise((done) => setTimeout(done, 30)); };
  const last = (selector) => [...document.querySelectorAll(selector)].at(-1);
  const answers = () => document.querySelectorAll(".answer .note").length;
  await until(() => $("name").textContent);
  $("text").value = "red goes left"; $("output").value = "speech"; $("temperature").value = "5";
  $("form").requestSubmit();
  await until(() => answers() === 1);
  const spoken = {units: last(".answer .units").textContent, heard: playhead - speaker.currentTime};
  const player = last(".answer audio");
  await until(() => player.readyState > 0);
  spoken.seconds = player.duration;
  $("record").click();
  await until(() => recording && recording.chunks.length > 30);
  $("record").click();
  await until(() => document.querySelector("#parts audio"));
  $("output").value = "text"; $("history").checked = true;
  $("form").requestSubmit();
  await until(() => answers() === 2);
  return {spoken, written: last(".answer p").textContent, history: said.map((part) => part.kind),
          wrong: document.querySelectorAll(".wrong").length};
})()"""


class Tab:
    """A page's connection; ``asked`` are the URLs that it requested."""

    def __init__(self, socket) -> None:
        self.socket, self.number, self.asked, self.loaded = socket, 0, [], False

    async def receive(self):
        message = json.loads((await self.socket.receive()).data)
        if message.get("method") == "Network.requestWillBeSent":
            self.asked.append(message["params"]["request"]["url"])
        self.loaded |= message.get("method") == "Page.loadEventFired"
        return message

    async def call(self, method, **params):
        self.number += 1
        await self.socket.send_json({"id": self.number, "method": method, "params": params})
        while True:
            message = await self.receive()
            if message.get("id") == self.number:
                return message["result"]


async def visit(url, profile):
    browser = subprocess.Popen(
        [CHROMIUM, *FLAGS, f"--user-data-dir={profile}", "about:blank"], stderr=subprocess.DEVNULL
    )
    try:
        port_file = profile / "DevToolsActivePort"
        while not port_file.is_file() or not port_file.read_text():
            await asyncio.sleep(0.05)
        port = port_file.read_text().split()[0]
        async with aiohttp.ClientSession() as session:
            async with session.get(f"http://127.0.0.1:{port}/json") as response:
                (address, *_) = [tab["webSocketDebuggerUrl"] for tab in await response.json() if tab["type"] == "page"]
            async with session.ws_connect(address, max_msg_size=0) as socket:
                tab = Tab(socket)
                await tab.call("Network.enable")
                await tab.call("Page.enable")
                await tab.call("Page.navigate", url=url)
                while not tab.loaded:
                    await tab.receive()
                found = await tab.call("Runtime.evaluate", expression=ASK, awaitPromise=True, returnByValue=True)
                return found["result"]["value"], tab.asked
    finally:
        browser.terminate()
        browser.wait()


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
def test_text_and_speech_in_give_speech_and_text_out_and_nobody_else_is_asked(folder, voice, tmp_path):
    model = SpeechTextModel.load(folder, vocoder=voice, encoders=[FakeEncoderConfig(INFOS[0])], device="cpu")
    with ChatServer(model, name="toy", port=0) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        found, asked = asyncio.run(asyncio.wait_for(visit(server.url, tmp_path), timeout=120))
        server.shutdown()
        thread.join()
    assert found["wrong"] == 0
    assert found["spoken"]["units"].startswith("[Hu")
    assert found["spoken"]["seconds"] > 0.5
    assert found["history"] == ["text", "speech", "speech", "text"]
    assert found["written"]
    assert {urlsplit(url).path for url in asked} >= {"/", "/chat.js", "/chat.css", "/answer"}
    outside = [url for url in asked if not url.startswith((server.url, f"blob:{server.url}", "data:"))]
    assert outside == []
