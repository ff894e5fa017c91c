// What the plugin is told in the configuration of semantic-release, checked.

const ITSELF = "@countersign/semantic-release";
const NPM = "@semantic-release/npm";

/** As many as one approval can give. */
const MAX_CODES = 20;

const DEFAULTS = {
  seed: "npm",
  codes: 1,
  for: "10m",
  timeout: "5m",
  reason: undefined,
  env: ["NPM_CONFIG_OTP"],
  program: "countersign",
};

const CHECKS = {
  seed: [(it) => typeof it === "string" && /^[a-z0-9_][a-z0-9_-]{0,63}$/.test(it), "the name of a seed in countersign.toml"],
  codes: [(it) => Number.isInteger(it) && it >= 1 && it <= MAX_CODES, `a number from 1 to ${MAX_CODES}`],
  for: [isTime, "a time like 10m or 1m30s"],
  timeout: [isTime, "a time like 5m or 90s"],
  reason: [(it) => it === undefined || typeof it === "string", "a text"],
  env: [
    (it) => Array.isArray(it) && it.length > 0 && it.every((name) => typeof name === "string" && /^[A-Za-z_][A-Za-z0-9_]*$/.test(name)),
    "a list of names of environment variables",
  ],
  program: [(it) => typeof it === "string" && it !== "", "the name or path of the program"],
};

function isTime(it) {
  return typeof it === "string" && /^(\d{1,4}m)?(\d{1,4}s)?$/.test(it) && it !== "";
}

/** An error that semantic-release shows as a message, without a stack. */
export class CountersignError extends Error {
  constructor(code, message, details) {
    super(message);
    this.name = "SemanticReleaseError";
    this.semanticRelease = true;
    this.code = code;
    this.details = details;
  }
}

export function parseSettings(config = {}) {
  const settings = { ...DEFAULTS };
  for (const [name, value] of Object.entries(config)) {
    // semantic-release adds options of its own to a plugin's.
    if (!Object.hasOwn(CHECKS, name) || value === undefined) continue;
    settings[name] = value;
  }
  for (const [name, [isFine, what]] of Object.entries(CHECKS)) {
    if (!isFine(settings[name])) {
      throw new CountersignError("EBADOPTION", `the option ${name} of ${ITSELF} must be ${what}`, "correct it in the configuration of semantic-release");
    }
  }
  settings.error = (code, message, details) => new CountersignError(code, message, details);
  return settings;
}

/** The code must be there before npm is run. */
export function checkOrder(plugins) {
  if (!Array.isArray(plugins)) return;
  const names = plugins.map((plugin) => (Array.isArray(plugin) ? plugin[0] : plugin));
  const [own, npm] = [names.indexOf(ITSELF), names.indexOf(NPM)];
  if (own !== -1 && npm !== -1 && npm < own) {
    throw new CountersignError("EORDER", `${ITSELF} must be listed before ${NPM}`, "plugins run in the order of the list; npm would be run without a code");
  }
}
