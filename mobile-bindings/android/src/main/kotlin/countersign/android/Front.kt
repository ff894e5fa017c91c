package countersign.android

import kotlinx.coroutines.flow.MutableStateFlow
import kotlinx.coroutines.flow.first
import kotlinx.coroutines.flow.update
import kotlinx.coroutines.withTimeoutOrNull

/**
 * The screens that can take input, the newest last: several, where the system shows apps side by side. Held only as long as the system itself holds
 * them.
 */
internal class Front<S : Any>(private val patienceMs: Long) {
    private val screens = MutableStateFlow(emptyList<S>())

    fun resumed(screen: S) = screens.update { it - screen + screen }

    fun paused(screen: S) = screens.update { it - screen }

    /** The newest, waiting a little for one; null if there is none. Called where screens come and go, it is still there when this returns. */
    suspend fun current(): S? {
        withTimeoutOrNull(patienceMs) { screens.first { it.isNotEmpty() } }
        // What the waiting has seen may be gone by now.
        return screens.value.lastOrNull()
    }
}
