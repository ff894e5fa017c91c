// One-time codes as a registry checks them: by otplib, each code once. Keeps a record of what came, and errs when told to.
import { createRequire } from 'node:module'

// The packages are where the caller stands (target/tools), not beside this file.
const { generateSync, verifySync } = createRequire(`${process.cwd()}/`)('otplib')

// Steps that a code is taken after its own. Services take one or two; here a slow machine may not be what a test finds. How old a code was is in the
// record, and the tests look at that.
const PAST = 5

export class Codes {
  #options
  #used = new Set()
  // What the test has asked for: refuse the next codes, answer 429 to the next requests, check the next code as if the upload had taken so many steps,
  // let a code serve for several requests.
  #plan = { refuse: 0, limit: 0, late: 0, reuse: false }
  #record = []

  constructor(uri) {
    const { searchParams } = new URL(uri)
    this.#options = {
      secret: searchParams.get('secret'),
      algorithm: (searchParams.get('algorithm') ?? 'SHA1').toLowerCase(),
      digits: Number(searchParams.get('digits') ?? 6),
      period: Number(searchParams.get('period') ?? 30),
    }
  }

  // Whether `code`, which came with `what`, is good: 'ok', 'missing', 'wrong' or 'limited'.
  check(what, code) {
    const [verdict, why] = this.#judge(what, code)
    this.#record.push({ what, code: code ?? null, age: code ? this.#age(code) : null, verdict, why })
    return verdict
  }

  // How many steps ago the code's own step was; null if it is of none of the last ones.
  #age(code) {
    const { period } = this.#options
    const now = Math.floor(Date.now() / 1000)
    for (let age = -1; age <= PAST; age += 1) {
      if (generateSync({ ...this.#options, epoch: now - age * period }) === code) return age
    }
    return null
  }

  #judge(what, code) {
    if (this.#plan.limit > 0) {
      this.#plan.limit -= 1
      return ['limited', 'as told']
    }
    if (!code) return ['missing', 'no code']
    const late = this.#plan.late
    this.#plan.late = 0
    if (this.#plan.refuse > 0) {
      this.#plan.refuse -= 1
      return ['wrong', 'as told']
    }
    const { period } = this.#options
    if (!/^\d+$/.test(code) || code.length !== this.#options.digits) return ['wrong', 'not a code']
    const epoch = Math.floor(Date.now() / 1000) + late * period
    const { valid } = verifySync({ ...this.#options, token: code, epoch, epochTolerance: [PAST * period, period] })
    if (!valid) return ['wrong', late > 0 ? 'expired' : 'not valid now']
    if (this.#used.has(code) && !this.#plan.reuse) return ['wrong', 'used before']
    this.#used.add(code)
    return ['ok', 'good']
  }

  // Changes the plan; gives the record so far.
  tell(plan) {
    Object.assign(this.#plan, plan)
    return { record: this.#record }
  }
}
