package countersign.android

import android.app.Activity
import android.app.Application
import java.util.concurrent.Executors
import kotlinx.coroutines.CoroutineStart
import kotlinx.coroutines.async
import kotlinx.coroutines.runBlocking
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertNull
import org.junit.jupiter.api.Assertions.assertSame
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.Timeout
import org.junit.jupiter.api.assertThrows

@Timeout(20)
class ScreensTest {
    /** Long enough never to be waited for. */
    private val patient = Front<String>(patienceMs = 600_000)

    /** Waits for nothing. */
    private val impatient = Front<String>(patienceMs = 0)

    @Test
    fun `one screen follows the other`() = runBlocking {
        patient.resumed("first")
        assertEquals("first", patient.current())
        patient.paused("first")
        patient.resumed("second")
        assertEquals("second", patient.current())
    }

    @Test
    fun `side by side the newest counts, and when that goes, the one that is left`() = runBlocking {
        patient.resumed("left")
        patient.resumed("right")
        assertEquals("right", patient.current())
        patient.paused("right")
        assertEquals("left", patient.current())
        patient.resumed("right")
        patient.resumed("left")
        assertEquals("left", patient.current())
        // Once, however often it was resumed.
        patient.paused("left")
        assertEquals("right", patient.current())
    }

    @Test
    fun `between two screens it waits`() = runBlocking {
        patient.resumed("upright")
        patient.paused("upright")
        val waiting = async(start = CoroutineStart.UNDISPATCHED) { patient.current() }
        assertTrue(waiting.isActive)
        patient.resumed("turned")
        assertEquals("turned", waiting.await())
    }

    @Test
    fun `a screen that is gone again is none`() = runBlocking {
        val waiting = async(start = CoroutineStart.UNDISPATCHED) { patient.current() }
        patient.resumed("short")
        patient.paused("short")
        patient.resumed("other")
        assertEquals("other", waiting.await())
        assertNull(impatient.current())
    }

    /** An app without Android around it. */
    private class App : Application() {
        lateinit var callbacks: ActivityLifecycleCallbacks

        private val main = Executors.newSingleThreadExecutor { Thread(it, "main of the app").apply { isDaemon = true } }

        override fun getMainExecutor() = main

        override fun registerActivityLifecycleCallbacks(callback: ActivityLifecycleCallbacks) {
            callbacks = callback
        }
    }

    @Test
    fun `the app's screen in front is shown things on the main thread`() = runBlocking {
        val app = App()
        val screens = Screens(app, patienceMs = 0)
        assertTrue("open it" in assertThrows<PromptException.Unavailable> { runBlocking { screens.onCurrent { } } }.detail)
        val (first, second) = bare<Activity>() to bare<Activity>()
        app.callbacks.onActivityResumed(first)
        assertSame(first, screens.onCurrent { it })
        assertEquals("main of the app", screens.onCurrent { Thread.currentThread().name.substringBefore(" @") })
        app.callbacks.onActivityPaused(first)
        app.callbacks.onActivityResumed(second)
        app.callbacks.onActivityStopped(first)
        app.callbacks.onActivityDestroyed(first)
        assertSame(second, screens.onCurrent { it })
        app.callbacks.onActivityPaused(second)
        assertThrows<PromptException.Unavailable> { runBlocking { screens.onCurrent { } } }
        Unit
    }
}
