package countersign

import kotlinx.coroutines.CoroutineScope
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.io.TempDir
import java.nio.file.Path

/** The phone is gone in the middle, without a word. */
class KilledTest {
    @TempDir
    lateinit var folder: Path

    @Test
    fun `dropped while a request waits, opened anew`() = test {
        Setting.ready().use { setting ->
            val (phone, prompts) = setting.phone to setting.phone.keychain.prompts.size
            val job = setting.laptop.code()
            val before = phone.events.arrived()
            job.number()
            // No disconnect.
            phone.engine.close()
            phone.reopen()
            phone.connect()
            val again = phone.events.arrived()
            assertEquals(before.verified, again.verified)
            phone.approve(again, job.lastNumber())
            val ended = job.end()
            assertEquals(0, ended.code, ended.err)
            assertEquals(prompts + 1, phone.keychain.prompts.size, "one prompt for one approval")
        }
    }

    @Test
    fun `killed while a request waits`() = killing(Relay()) { laptop, first ->
        val job = laptop.code()
        first.outs(Regex("request (\\w+)\n"))
        job.number()
        val prompts = FileKeychain(folder).prompts()
        first.kill()
        phoneProcess(folder).use { second ->
            second.outs(Regex("request (\\w+)\n"))
            second.say("approve ${job.lastNumber()}")
            second.outs(Regex("(done approve)\n"))
            val ended = job.end()
            assertEquals(0, ended.code, ended.err)
            assertEquals(prompts + 1, FileKeychain(folder).prompts(), "one prompt for one approval")
        }
    }

    @Test
    fun `killed with an answer that has not left yet`() {
        val relay = Relay()
        killing(relay) { laptop, first ->
            val before = Totp.step()
            val job = laptop.code()
            first.outs(Regex("request (\\w+)\n"))
            val number = job.number()
            relay.kill()
            first.outs(Regex("request \\w+\n(?s:.*)(not connected)"))
            first.say("approve $number")
            first.outs(Regex("(done approve)\n"))
            val prompts = FileKeychain(folder).prompts()
            first.kill()
            Relay(relay.address).use {
                phoneProcess(folder).use {
                    val ended = job.end()
                    assertEquals(0, ended.code, ended.err)
                    assertTrue(ended.out.trim() in (before..Totp.step() + 1).map(Totp::code))
                    assertEquals(prompts, FileKeychain(folder).prompts(), "nobody is asked a second time")
                }
            }
        }
    }

    /** A phone in a process, paired and with the seed `npm`. */
    private fun killing(relay: Relay, body: suspend CoroutineScope.(Laptop, Running) -> Unit) = test {
        relay.use {
            Laptop(relay.url).use { laptop ->
                phoneProcess(folder).use { phone ->
                    val screen = laptop.pair("acme/widget")
                    phone.say("pair ${screen.pairingText()}")
                    screen.say(phone.outs(Regex("digits (\\d+)\n")))
                    phone.outs(Regex("(done pair)\n"))
                    assertEquals(0, screen.end().code)
                    val enrolling = laptop.countersign("enroll", "npm", "--json")
                    val number = enrolling.number()
                    phone.outs(Regex("request (\\w+)\n"))
                    phone.say("enroll $number")
                    phone.outs(Regex("(done enroll)\n"))
                    assertEquals(0, enrolling.end().code)
                    // What comes after is another request.
                    phone.forget()
                    body(laptop, phone)
                }
            }
        }
    }
}
