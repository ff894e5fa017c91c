package countersign

import kotlinx.coroutines.async
import kotlinx.coroutines.awaitAll
import kotlinx.coroutines.coroutineScope
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import uniffi.countersign_mobile.uniffiContinuationHandleMap
import uniffi.countersign_mobile.uniffiForeignFutureHandleCount
import java.io.File
import kotlin.time.Duration.Companion.minutes

/** Phones side by side, each with a pairing: one may ask 256 times in its replay memory, and has one request at a time. */
private const val LANES = 5

/** Seeds of each phone. */
private const val SEEDS = 10

/** Approvals of each seed: as many steps as may be issued ahead. */
private const val APPROVALS = 20

/** Most that may be added in 800 approvals. A leak of 8 KiB for each would be 6.25 MiB. */
private const val BOUND = 6L * 1024 * 1024

/**
 * A thousand approvals on five phones, each the whole way: the real `countersign code`, the match number, the Keychain's prompt, the saved step, the code on its
 * way back, the job's last word. The first code of each seed is waited for and checked; the job is ended once it has its later ones, which it could
 * print only when their steps of 30 seconds come.
 */
class MemoryTest {
    @Test
    fun `a thousand approvals leave nothing behind`() = test(15.minutes) {
        val lanes = List(LANES) { Lane(it, Phone.create()) }
        parallel(lanes) { it.begin() }
        parallel(lanes) { lane -> repeat(APPROVALS / 5) { lane.round(it) } }
        val early = Used.now()
        parallel(lanes) { lane -> for (round in APPROVALS / 5 until APPROVALS) lane.round(round) }
        val late = Used.now()
        println("after ${LANES * SEEDS * APPROVALS / 5} approvals $early, after ${LANES * SEEDS * APPROVALS} $late")
        assertEquals(LANES * SEEDS * (APPROVALS + 1), lanes.sumOf { it.prompts }, "each seed was enrolled and then used so often")
        assertTrue(lanes.sumOf { it.checked } >= LANES * SEEDS, "the first codes were printed")
        assertTrue(late.resident - early.resident < BOUND, "resident memory grew: $early, then $late")
        assertTrue(late.heap - early.heap < BOUND / 2, "the Java heap grew: $early, then $late")
        // Not one call, callback or future is still referred to.
        assertEquals(0 to 0, uniffiContinuationHandleMap.size to uniffiForeignFutureHandleCount())
        lanes.forEach { it.close() }
    }

    private suspend fun parallel(lanes: List<Lane>, work: suspend (Lane) -> Unit) =
        coroutineScope { lanes.map { async { work(it) } }.awaitAll() }

    private class Lane(private val number: Int, private val phone: Phone) : AutoCloseable {
        private val laptop = Laptop(Relay.shared.url)
        var checked = 0
        val prompts get() = phone.keychain.prompts.size

        suspend fun begin() {
            phone.pair(laptop)
            phone.connect()
            repeat(SEEDS) { phone.enroll(laptop, "seed$it", "otpauth://totp/lane$number:seed$it?secret=${base32(secret(it))}") }
        }

        /** One approval of each seed. */
        suspend fun round(round: Int) = repeat(SEEDS) { seed ->
            laptop.code("seed$seed").use { job ->
                val before = Totp.step()
                phone.approve(phone.events.arrived(), job.number())
                job.errs(Regex("(\"event\":\"approved\")"))
                if (round > 0) job.terminate()
                val ended = job.end()
                // Its step may have come before its end did.
                if (round > 0 && ended.code == 130) return@use
                check(ended.code == 0) { ended }
                check(ended.out.trim() in (before..Totp.step()).map { Totp.code(it, secret(seed)) }) { ended }
                checked++
            }
        }

        private fun secret(seed: Int) = "lane $number seed $seed 1234".toByteArray()

        override fun close() {
            phone.close()
            laptop.close()
        }
    }

    private data class Used(val resident: Long, val heap: Long) {
        override fun toString() = "${resident / 1024} KiB resident, ${heap / 1024} KiB of heap"

        companion object {
            fun now(): Used {
                // Cleaners run after the first collection, what they let go of is collected in the next.
                repeat(3) {
                    System.gc()
                    Thread.sleep(100)
                }
                val status = File("/proc/self/status").takeIf { it.exists() } ?: error("this test reads /proc: run it on Linux")
                val resident = status.readLines().first { it.startsWith("VmRSS:") }.filter { it.isDigit() }.toLong() * 1024
                return Used(resident, Runtime.getRuntime().run { totalMemory() - freeMemory() })
            }
        }
    }
}
