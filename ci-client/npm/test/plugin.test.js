// The plugin with a program that writes down how it was called. The real semantic-release is run by the project's own tests.

import assert from "node:assert/strict";
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync, existsSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, test } from "node:test";

import * as plugin from "../index.js";

let folder;
let program;
let logged;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "countersign-"));
  program = join(folder, "countersign");
  logged = [];
  delete process.env.NPM_CONFIG_OTP;
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** A program that records its arguments and then runs `script`. */
function fake(script) {
  writeFileSync(program, `#!/bin/sh\nprintf '%s\\n' "$*" >> "${folder}/calls"\n${script}\n`);
  chmodSync(program, 0o755);
}

function calls() {
  const file = join(folder, "calls");
  return existsSync(file) ? readFileSync(file, "utf8").trimEnd().split("\n") : [];
}

function context(options = {}) {
  const log = (...words) => logged.push(words.join(" "));
  return { cwd: folder, nextRelease: { version: "1.2.3" }, options, logger: { log, warn: log } };
}

const EXPECTED = "approve npm --replace --codes=3 --for=10m --timeout=5m --reason=release 1.2.3";

test("the maintainer is asked before the tag, the code is taken when it is needed, and the rest is forgotten", async () => {
  fake('if [ "$1" = code ]; then echo 123456; fi');
  const config = { seed: "npm", codes: 3, program };
  await plugin.verifyRelease(config, context());
  assert.equal(process.env.NPM_CONFIG_OTP, undefined);
  assert.equal(await plugin.publish(config, context()), false);
  assert.equal(process.env.NPM_CONFIG_OTP, "123456");
  await plugin.success(config, context());
  assert.equal(process.env.NPM_CONFIG_OTP, undefined);
  assert.deepEqual(calls(), [EXPECTED, "code npm --timeout=5m --codes=1", "close npm"]);
  assert.ok(!logged.join("\n").includes("123456"));
});

test("a failed release forgets the codes too, and a close that fails changes nothing", async () => {
  fake("exit 207");
  process.env.NPM_CONFIG_OTP = "123456";
  await plugin.fail({ program }, context());
  assert.deepEqual(calls(), ["close npm"]);
  assert.equal(process.env.NPM_CONFIG_OTP, undefined);
  assert.match(logged.join("\n"), /countersign close: the configuration or the key is bad/);
});

test("a dry run asks nobody", async () => {
  fake("exit 1");
  await plugin.verifyRelease({ program }, context({ dryRun: true }));
  assert.deepEqual(calls(), []);
});

test("a channel gets its own code", async () => {
  fake("echo 654321");
  assert.equal(await plugin.addChannel({ program, env: ["A_CODE", "B_CODE"] }, context()), false);
  assert.deepEqual([process.env.A_CODE, process.env.B_CODE, process.env.NPM_CONFIG_OTP], ["654321", "654321", undefined]);
  delete process.env.A_CODE;
  delete process.env.B_CODE;
});

test("every way to fail has its words, and ends the release", async () => {
  for (const [status, words] of [
    [200, /denied/],
    [201, /nobody approved in time/],
    [202, /wrong match number/],
    [203, /phone was not reached/],
    [206, /breaks the protocol/],
    [209, /phone failed/],
    [210, /no code is left/],
    [211, /another release/],
    [212, /changed after it was approved/],
    [42, /exit code 42/],
  ]) {
    fake(`exit ${status}`);
    await assert.rejects(plugin.verifyRelease({ program }, context()), (error) => error.semanticRelease === true && words.test(error.message));
    await assert.rejects(plugin.publish({ program }, context()), words);
    assert.equal(process.env.NPM_CONFIG_OTP, undefined);
  }
  rmSync(program);
  await assert.rejects(plugin.verifyRelease({ program }, context()), /cannot run .*ENOENT/);
});

test("what is no code is neither used nor shown", async () => {
  for (const output of ["", "error: 12", "123456\n654321", "<html>"]) {
    fake(`printf '%s\\n' '${output}'`);
    await assert.rejects(plugin.publish({ program }, context()), (error) => error.code === "ENOCODE" && !error.message.includes(output || "\0"));
    assert.equal(process.env.NPM_CONFIG_OTP, undefined);
  }
});

test("what approve leaves running does not hold up the release", { timeout: 20_000 }, async () => {
  // It keeps the standard output open until this test is over, which is when its folder goes away.
  fake(`if [ "$1" = approve ]; then ( while [ -d "${folder}" ]; do sleep 0.05; done ) & fi`);
  await plugin.verifyRelease({ program }, context());
});

test("conditions: the seed is there, and the order is right", async () => {
  fake("echo 'npm  npm  npm:alice'");
  const after = { plugins: ["@semantic-release/npm", ["@countersign/semantic-release", {}]] };
  const before = { plugins: [["@countersign/semantic-release", {}], "@semantic-release/npm"] };
  await plugin.verifyConditions({ program }, context(before));
  await assert.rejects(plugin.verifyConditions({ program }, context(after)), /must be listed before/);
  await assert.rejects(plugin.verifyConditions({ program, seed: "gem" }, context(before)), /no seed gem/);
});

test("bad options are refused before anything is run", async () => {
  fake("exit 0");
  for (const bad of [
    { seed: "--config=x" },
    { seed: "" },
    { codes: 0 },
    { codes: 21 },
    { codes: "3" },
    { for: "10" },
    { for: "" },
    { timeout: 5 },
    { env: [] },
    { env: ["A=B"] },
    { reason: 1 },
    { program: "" },
  ]) {
    await assert.rejects(plugin.verifyRelease({ program, ...bad }, context()), /must be/, JSON.stringify(bad));
  }
  assert.deepEqual(calls(), []);
});

test("a reason is one argument, and cut", async () => {
  fake('printf \'%s\' "$7" > "${0%/*}/reason"');
  await plugin.verifyRelease({ program, reason: `"; touch pwned # ${"x".repeat(200)}` }, context());
  const reason = readFileSync(join(folder, "reason"), "utf8");
  assert.ok(reason.startsWith('--reason="; touch pwned # xxx') && reason.length === "--reason=".length + 120);
});
