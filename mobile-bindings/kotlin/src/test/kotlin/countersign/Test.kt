package countersign

import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.runBlocking
import kotlinx.coroutines.withTimeout
import kotlin.time.Duration
import kotlin.time.Duration.Companion.minutes

/** A test that waits, `most` far longer than it takes on a crowded machine. JUnit runs no test that gives something. */
fun test(most: Duration = 5.minutes, body: suspend CoroutineScope.() -> Unit): Unit = runBlocking { withTimeout(most, body) }

/** The failure that `body` ends in; the test fails if there is none, or another one. */
suspend inline fun <reified T : Throwable> fails(body: () -> Any?): T {
    val got = try {
        body()
    } catch (failure: Throwable) {
        if (failure is T) return failure
        throw failure
    }
    throw AssertionError("expected ${T::class.simpleName}, but nothing failed: $got")
}
