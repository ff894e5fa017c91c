package countersign.android

import android.app.Activity
import android.app.Application
import android.os.Bundle
import kotlinx.coroutines.asCoroutineDispatcher
import kotlinx.coroutines.withContext

/** Between two screens there is none for a moment, as when the phone is turned. */
private const val PATIENCE_MS = 5_000L

/**
 * Knows which of the app's screens is in front. Make one for the process in `Application.onCreate`: it never hears of a screen that was there before.
 */
class Screens internal constructor(application: Application, patienceMs: Long) {
    private val front = Front<Activity>(patienceMs)

    // Posts, also from the main thread itself.
    private val main = application.mainExecutor.asCoroutineDispatcher()

    constructor(application: Application) : this(application, PATIENCE_MS)

    init {
        application.registerActivityLifecycleCallbacks(Following(front))
    }

    /**
     * Runs [show] on the main thread with the screen in front. Waits for one, but not long.
     *
     * @throws PromptException.Unavailable if there is none
     */
    suspend fun <T> onCurrent(show: suspend (Activity) -> T): T = withContext(main) {
        show(front.current() ?: throw PromptException.Unavailable("the app was not on the screen: open it, then try again"))
    }

    private class Following(private val front: Front<Activity>) : Application.ActivityLifecycleCallbacks {
        override fun onActivityResumed(activity: Activity) = front.resumed(activity)

        // Comes for every screen that was resumed, also for one that ends.
        override fun onActivityPaused(activity: Activity) = front.paused(activity)

        override fun onActivityCreated(activity: Activity, state: Bundle?) = Unit

        override fun onActivityStarted(activity: Activity) = Unit

        override fun onActivityStopped(activity: Activity) = Unit

        override fun onActivitySaveInstanceState(activity: Activity, state: Bundle) = Unit

        override fun onActivityDestroyed(activity: Activity) = Unit
    }
}
