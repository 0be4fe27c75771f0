"use strict";
const $ = (id) => document.getElementById(id);
const element = (tag, properties = {}) => Object.assign(document.createElement(tag), properties);

let parts = [];        // of the question being made: {kind: "text", text} or {kind: "speech", wav, url}
let said = [];         // of the conversation: what a question that goes on begins with
let recording = null;  // {context, stream, chunks} while the microphone is open
let running = null;    // AbortController of the answer being made
let speaker = null;    // AudioContext that answers are heard through
let playhead = 0;      // its time at which the next chunk begins
let rate = 16000;

const status = (text, wrong = false) => {
  $("status").textContent = text;
  $("status").className = wrong ? "wrong" : "";
};

function bytesOf(base64) {
  return Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
}

function base64Of(bytes) {
  let letters = "";
  for (let at = 0; at < bytes.length; at += 32768) letters += String.fromCharCode(...bytes.subarray(at, at + 32768));
  return btoa(letters);
}

// A mono WAV file of 16 bits.
function wavOf(samples, hz) {
  const view = new DataView(new ArrayBuffer(44 + samples.length * 2));
  const word = (at, letters) => [...letters].forEach((c, i) => view.setUint8(at + i, c.charCodeAt(0)));
  word(0, "RIFF"); view.setUint32(4, 36 + samples.length * 2, true); word(8, "WAVEfmt ");
  view.setUint32(16, 16, true); view.setUint16(20, 1, true); view.setUint16(22, 1, true);
  view.setUint32(24, hz, true); view.setUint32(28, hz * 2, true); view.setUint16(32, 2, true);
  view.setUint16(34, 16, true); word(36, "data"); view.setUint32(40, samples.length * 2, true);
  samples.forEach((value, i) => view.setInt16(44 + 2 * i, Math.max(-1, Math.min(1, value)) * 32767, true));
  return new Uint8Array(view.buffer);
}

const playerOf = (wav) =>
  element("audio", { controls: true, src: URL.createObjectURL(new Blob([wav], { type: "audio/wav" })) });

function join(chunks) {
  const whole = new Float32Array(chunks.reduce((sum, chunk) => sum + chunk.length, 0));
  let at = 0;
  for (const chunk of chunks) { whole.set(chunk, at); at += chunk.length; }
  return whole;
}

// --- the question ---------------------------------------------------------------------------------------------------
function showParts() {
  $("parts").replaceChildren(...parts.map((part, index) => {
    const row = element("div", { className: "part" });
    const remove = element("button", { type: "button", textContent: "remove" });
    remove.onclick = () => { parts.splice(index, 1); showParts(); };
    row.append(part.kind === "text" ? element("p", { textContent: part.text }) : playerOf(part.bytes), remove);
    return row;
  }));
}

function takeText() {
  const text = $("text").value.trim();
  if (text) parts.push({ kind: "text", text });
  $("text").value = "";
  showParts();
}

async function startRecording() {
  const stream = await navigator.mediaDevices.getUserMedia({ audio: { channelCount: 1 } });
  const context = new AudioContext();
  await context.audioWorklet.addModule("/recorder.js");
  const node = new AudioWorkletNode(context, "recorder");
  const chunks = [];
  node.port.onmessage = (event) => chunks.push(event.data);
  context.createMediaStreamSource(stream).connect(node).connect(context.destination);
  recording = { context, stream, chunks };
  $("record").textContent = "Stop recording";
  $("record").classList.add("on");
}

async function stopRecording() {
  const { context, stream, chunks } = recording;
  recording = null;
  stream.getTracks().forEach((track) => track.stop());
  await context.close();
  $("record").textContent = "Record";
  $("record").classList.remove("on");
  const bytes = wavOf(join(chunks), context.sampleRate);
  takeText();
  parts.push({ kind: "speech", bytes });
  showParts();
}

// --- the answer -----------------------------------------------------------------------------------------------------
// Chunks are played end to end while more are made.
function play(samples) {
  const buffer = speaker.createBuffer(1, samples.length, rate);
  buffer.copyToChannel(samples, 0);
  const source = speaker.createBufferSource();
  source.buffer = buffer;
  source.connect(speaker.destination);
  playhead = Math.max(playhead, speaker.currentTime + 0.05);
  source.start(playhead);
  playhead += buffer.duration;
}

class Answer {
  constructor() {
    this.box = element("article", { className: "answer" });
    this.run = null;
    $("talk").append(this.box);
  }

  open(kind) {
    if (this.run && this.run.kind === kind) return this.run;
    this.close();
    const shown = element("p", { className: kind === "speech" ? "units" : "" });
    this.box.append(shown);
    this.run = { kind, shown, text: "", tokens: [], chunks: [] };
    return this.run;
  }

  text(event) {
    const run = this.open("text");
    run.text += event.text;
    run.shown.textContent = run.text;
  }

  speech(event) {
    const run = this.open("speech");
    run.tokens.push(...event.tokens);
    run.shown.append(event.spelled);
    run.shown.scrollTop = run.shown.scrollHeight;
    const samples = Float32Array.from(new Int16Array(bytesOf(event.pcm).buffer), (value) => value / 32767);
    if (!samples.length) return;
    run.chunks.push(samples);
    play(samples);
  }

  close() {
    const run = this.run;
    this.run = null;
    if (!run) return;
    if (run.kind === "text") said.push({ kind: "text", text: run.text });
    else said.push({ kind: "speech", tokens: run.tokens });
    if (run.chunks.length) run.shown.before(playerOf(wavOf(join(run.chunks), rate)));
  }

  note(text, wrong = false) {
    this.close();
    this.box.append(element("p", { className: wrong ? "note wrong" : "note", textContent: text }));
  }
}

async function* linesOf(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const lines = (rest + value).split("\n");
    rest = lines.pop();
    for (const line of lines) yield JSON.parse(line);
  }
}

async function ask() {
  takeText();
  if (!parts.length) { status("Write or record something first.", true); return; }
  const asked = parts.map((p) => (p.kind === "text" ? p : { kind: "speech", wav: base64Of(p.bytes) }));
  const prompt = $("history").checked ? [...said, ...asked] : asked;
  const question = element("article", { className: "question" });
  question.append(...parts.map((p) => (p.kind === "text" ? element("p", { textContent: p.text }) : playerOf(p.bytes))));
  $("talk").append(question);
  parts = [];
  showParts();
  speaker = speaker || new AudioContext();
  await speaker.resume();
  playhead = 0;
  running = new AbortController();
  $("ask").disabled = true;
  $("halt").disabled = false;
  status("…");
  const shown = new Answer();
  let whole = false;
  try {
    const response = await fetch("/answer", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({
        prompt,
        output: $("output").value,
        temperature: Number($("temperature").value),
        top_p: Number($("top_p").value),
        seed: Number($("seed").value),
        max_new_tokens: Number($("max_new_tokens").value),
      }),
      signal: running.signal,
    });
    if (!response.ok) throw new Error((await response.json()).error);
    said = prompt;
    for await (const event of linesOf(response)) {
      if (event.kind === "end") {
        whole = true;
        shown.note(event.audio_s ? `${event.seconds} s for ${event.audio_s} s of audio` : `${event.seconds} s`);
      } else shown[event.kind](event);
    }
    if (!whole) throw new Error("the answer broke off; see the terminal that plait chat runs in");
    status("");
  } catch (error) {
    shown.note(error.name === "AbortError" ? "stopped" : error.message, error.name !== "AbortError");
    status("");
  } finally {
    running = null;
    $("ask").disabled = false;
    $("halt").disabled = true;
  }
}

$("form").onsubmit = (event) => { event.preventDefault(); if (!running) ask(); };
$("add").onclick = takeText;
$("halt").onclick = () => {
  if (running) running.abort();
  if (speaker) { speaker.close(); speaker = null; }
};
$("record").onclick = () =>
  (recording ? stopRecording() : startRecording()).catch((error) => status(`microphone: ${error.message}`, true));
$("text").onkeydown = (event) => {
  if (event.key === "Enter" && event.ctrlKey) $("form").requestSubmit();
};

fetch("/about").then((response) => response.json()).then((about) => {
  rate = about.rate_hz;
  $("name").textContent = about.name;
  const hears = about.hears ? "hears" : "does not hear (no encoders for its units)";
  const speaks = about.speaks ? "speaks" : "gives speech as tokens alone (no vocoder)";
  $("about").textContent = `It ${hears} and ${speaks}. Context ${about.context} tokens; of more, the last are kept.`;
  $("record").disabled = !about.hears;
});
