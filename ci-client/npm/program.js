// Runs `countersign`. Its standard error goes through at once: the match number is on it, and what masks codes in the log.

import { spawn } from "node:child_process";

/** Longest output that is kept, characters. */
const MAX_OUTPUT = 64 * 1024;

/** Exit codes that a maintainer meets; docs/CLI.md has all of them. */
const WORDS = {
  130: "it was interrupted",
  200: "the maintainer denied the request",
  201: "nobody approved in time",
  202: "a wrong match number was typed",
  203: "the phone was not reached",
  204: "the relay was not reached",
  205: "the phone's policy refused",
  206: "somebody is not who they should be, or breaks the protocol",
  207: "the configuration or the key is bad",
  208: "the clocks are too far apart",
  209: "the phone failed: it could not open the seed, or save",
  210: "no code is left of what was approved, or its time is over",
  211: "another release of this project waits for its approval here",
  212: "what is to be published changed after it was approved",
};

/** Runs a command; its standard output. The codes of `approve` never pass through here. */
export function run(settings, context, args) {
  return new Promise((resolve, reject) => {
    // Not through a shell: nothing in an argument means anything but itself.
    const child = spawn(settings.program, args, { cwd: context.cwd, env: process.env, stdio: ["ignore", "pipe", "inherit"], shell: false });
    let output = "";
    child.stdout.setEncoding("utf8");
    child.stdout.on("data", (text) => {
      if (output.length < MAX_OUTPUT) output += text;
    });
    child.on("error", (error) => {
      const details =
        error.code === "ENOENT" ? "install countersign in an earlier step, or name it with the option `program`" : "see the message of the system";
      reject(settings.error("ENOPROGRAM", `cannot run ${settings.program}: ${error.code ?? error.message}`, details));
    });
    // Not "close": what `approve` leaves behind must not hold up the release, whatever it keeps open.
    child.on("exit", (status, signal) => {
      const finish = () => {
        child.stdout.destroy();
        if (status === 0) {
          resolve(output);
          return;
        }
        const why = WORDS[status] ?? (signal ? `ended by ${signal}` : `exit code ${status}`);
        reject(settings.error("ECOUNTERSIGN", `countersign ${args[0]}: ${why}`, "see its lines above in the log"));
      };
      // Output may still be on its way, except where none is expected.
      if (args[0] === "approve" || child.stdout.readableEnded) finish();
      else child.stdout.once("end", finish);
    });
  });
}

/** A code, from the holder or, without one, from the maintainer. */
export async function code(settings, context) {
  const value = (await run(settings, context, ["code", settings.seed, `--timeout=${settings.timeout}`, "--codes=1"])).trim();
  if (!/^[0-9A-Z]{5,8}$/.test(value)) {
    // Whatever it is, it is not shown.
    throw settings.error("ENOCODE", "countersign code printed something that is no code", "is the option `program` really countersign?");
  }
  return value;
}
