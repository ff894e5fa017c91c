// A semantic-release plugin. The human is asked in `verifyRelease`, before there is a tag; the code is taken in `publish`, when it is needed.
// What comes in between (notes, builds) may take minutes: a small process of `countersign approve` keeps the codes meanwhile.

import { code, run } from "./program.js";
import { checkOrder, parseSettings } from "./settings.js";

/** Everything that can be wrong without asking anybody. */
export async function verifyConditions(config, context) {
  const settings = parseSettings(config);
  checkOrder(context.options?.plugins);
  const seeds = await run(settings, context, ["seeds"]);
  const names = seeds.split("\n").map((line) => line.split(" ")[0]);
  if (!names.includes(settings.seed)) {
    throw settings.error("ENOSEED", `the configuration has no seed ${settings.seed}`, "`countersign seeds` lists those there are");
  }
}

/** Only called when there is a release: blocks until the maintainer has approved. */
export async function verifyRelease(config, context) {
  const settings = parseSettings(config);
  if (context.options?.dryRun) {
    context.logger.log("a dry run: nobody is asked for a code");
    return;
  }
  const reason = settings.reason ?? `release ${context.nextRelease.version}`;
  await run(settings, context, [
    "approve",
    settings.seed,
    // A release that was cancelled may have left a holder where this one runs again; its codes were for that one.
    "--replace",
    `--codes=${settings.codes}`,
    `--for=${settings.for}`,
    `--timeout=${settings.timeout}`,
    `--reason=${reason.slice(0, 120)}`,
  ]);
}

/** Puts a code where npm reads it. */
export async function publish(config, context) {
  await takeCode(parseSettings(config), context);
  // Nothing was released by this plugin itself.
  return false;
}

/** `npm dist-tag add` wants a code as well. It comes before `verifyRelease`, so the maintainer is asked here. */
export async function addChannel(config, context) {
  await takeCode(parseSettings(config), context);
  return false;
}

export async function success(config, context) {
  await end(parseSettings(config), context);
}

export async function fail(config, context) {
  await end(parseSettings(config), context);
}

async function takeCode(settings, context) {
  const value = await code(settings, context);
  for (const name of settings.env) {
    // Not context.env: every plugin gets a copy of its own of that.
    process.env[name] = value;
  }
  context.logger.log("a code is in %s", settings.env.join(", "));
}

/** What is left of the codes is forgotten. The holder also ends by itself, so a failure here changes nothing. */
async function end(settings, context) {
  for (const name of settings.env) {
    delete process.env[name];
  }
  try {
    await run(settings, context, ["close", settings.seed]);
  } catch (error) {
    context.logger.warn("%s", error.message);
  }
}
