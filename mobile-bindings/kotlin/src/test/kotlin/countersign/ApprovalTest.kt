package countersign

import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertFalse
import org.junit.jupiter.api.Assertions.assertNotNull
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import uniffi.countersign_mobile.AuthenticatorException
import uniffi.countersign_mobile.Event
import uniffi.countersign_mobile.HistoryOutcome
import uniffi.countersign_mobile.RequestKind
import uniffi.countersign_mobile.SeedImport

/** The whole way: pair, enrol from a picture, approve, deny, mistype, block; against the real relay and the real `countersign`. */
class ApprovalTest {
    @Test
    fun `a job gets the code that an independent library computes`() = test {
        Laptop(Relay.shared.url).use { laptop ->
            Phone.create().use { phone ->
                val paired = phone.pair(laptop, "acme/widget")
                assertEquals("acme/widget", paired.name)
                assertEquals(Relay.shared.url, paired.relay.trimEnd('/'))
                phone.connect()

                val enrolling = laptop.countersign("enroll", "npm", "--json")
                val request = phone.events.arrived()
                assertEquals(RequestKind.ENROLL, request.verified.kind)
                assertTrue(request.needsSeed)
                SeedImport.fromPicture(Pictures.qr(URI)).use { seed ->
                    assertEquals(listOf("ACME:release"), seed.entries().map { it.label })
                    phone.engine.approve(request.id, enrolling.number(), null, true, seed)
                }
                assertEquals(0, enrolling.end().code)
                assertNotNull(laptop.sealed("npm"), "the sealed text is in countersign.toml")
                assertEquals(listOf("ACME:release"), phone.engine.seeds().map { it.label })

                val before = Totp.step()
                val job = laptop.code("npm", "--reason", "release 1.2")
                val asked = phone.events.arrived()
                assertEquals("ACME:release", asked.verified.seed)
                assertEquals("acme/widget", asked.verified.pairing)
                assertEquals("release 1.2", asked.claimed.reason)
                assertFalse(asked.verified.firstUse)
                phone.approve(asked, job.number())
                val ended = job.end()
                assertEquals(0, ended.code, ended.err)
                // One of few steps: that of the approval, or the next one if it was about to end.
                val codes = (before..Totp.step()).map(Totp::code)
                assertTrue(ended.out.trim() in codes, "${ended.out.trim()} is none of $codes")
                assertFalse(ended.err.contains(ended.out.trim()), "the code is on standard output alone")

                phone.events.next { it as? Event.Settled }
                val last = phone.engine.history().last()
                assertEquals(HistoryOutcome.USED, last.outcome)
                assertEquals("release 1.2", last.reason)
                assertEquals(listOf("Approve a new seed for acme/widget", "Approve ACME:release for acme/widget"), phone.keychain.prompts)
            }
        }
    }

    @Test
    fun `a seed from the app's own screen is sealed for countersign toml`() = test {
        Phone.create().use { phone ->
            val seeds = SeedImport.fromPicture(Pictures.qr(URI))
            val enrolled = phone.engine.enroll(seeds, listOf(0u), listOf()).single()
            assertEquals("ACME:release", enrolled.label)
            assertEquals(phone.engine.seeds().single().id, phone.engine.importSealed(enrolled.sealed).id)
        }
    }

    @Test
    fun `denied with a reason`() = test {
        Setting.ready().use { (phone, laptop) ->
            val job = laptop.code()
            phone.engine.deny(phone.events.arrived().id, "not on a friday")
            val ended = job.end()
            assertEquals(200, ended.code, ended.err)
            assertTrue(ended.err.contains("not on a friday"))
            assertEquals("", ended.out)
            assertEquals(HistoryOutcome.DENIED, phone.engine.history().last().outcome)
        }
    }

    @Test
    fun `a mistyped number ends the request`() = test {
        Setting.ready().use { (phone, laptop) ->
            val job = laptop.code()
            val number = job.number()
            val request = phone.events.arrived()
            val prompts = phone.keychain.prompts.size
            val wrong = if (number.first() == '9') "0" else "9"
            val failed = fails<AuthenticatorException.WrongNumber> { phone.approve(request, wrong + number.drop(1)) }
            assertFalse(failed.message!!.contains(number))
            assertEquals(202, job.end().code)
            assertEquals(prompts, phone.keychain.prompts.size, "nobody is asked to unlock for a wrong number")
            fails<AuthenticatorException.Gone> { phone.approve(request, number) }
        }
    }

    @Test
    fun `blocked once and for all`() = test {
        Setting.ready().use { (phone, laptop) ->
            val job = laptop.code()
            phone.engine.block(phone.events.arrived().id)
            assertEquals(200, job.end().code)
            assertEquals(listOf<String>(), phone.engine.pairings().map { it.name })
            // Another pairing, so that the phone has a reason to stay connected: what was blocked is refused there and then.
            Laptop(Relay.shared.url).use { other ->
                phone.pair(other, "something else")
                assertEquals(205, laptop.code("npm", "--timeout", "30s").end().code)
            }
        }
    }

    private operator fun Setting.component1() = phone
    private operator fun Setting.component2() = laptop
}
