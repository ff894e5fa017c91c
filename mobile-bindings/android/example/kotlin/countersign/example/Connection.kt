package countersign.example

import android.content.Context
import android.net.ConnectivityManager
import android.net.Network
import kotlin.time.Duration
import kotlin.time.Duration.Companion.seconds
import kotlinx.coroutines.CancellationException
import kotlinx.coroutines.channels.Channel
import kotlinx.coroutines.channels.awaitClose
import kotlinx.coroutines.delay
import kotlinx.coroutines.flow.Flow
import kotlinx.coroutines.flow.buffer
import kotlinx.coroutines.flow.callbackFlow
import kotlinx.coroutines.flow.collectLatest
import kotlinx.coroutines.flow.distinctUntilChanged
import kotlinx.coroutines.flow.dropWhile
import kotlinx.coroutines.flow.withIndex
import uniffi.countersign_mobile.AuthenticatorException
import uniffi.countersign_mobile.AuthenticatorInterface

/**
 * Connects [phone] while a screen of the app is [shown] (a count of started activities, or AndroidX's `ProcessLifecycleOwner`), and again at once when
 * the device has another network. When none is shown any more it disconnects after some seconds, or when no request waits any longer. Runs until it is
 * cancelled, or finds the phone closed: once, in a scope of the process. Cancel it before the phone is closed. An app with push messages counts one that it is handling as a screen. [tell] has
 * the text of what went wrong.
 */
suspend fun stayConnected(context: Context, phone: AuthenticatorInterface, shown: Flow<Boolean>, tell: (String) -> Unit) =
    stayConnected(phone, shown, defaultNetwork(context), tell)

/** [pause]: how long before it looks, and looks again, whether a request waits. */
internal suspend fun stayConnected(
    phone: AuthenticatorInterface,
    shown: Flow<Boolean>,
    network: Flow<Network?>,
    tell: (String) -> Unit,
    pause: Duration = 5.seconds,
) {
    suspend fun telling(work: suspend () -> Unit) = try {
        unlessClosed { work() }
    } catch (problem: AuthenticatorException) {
        tell(problem.message.orEmpty())
    }
    // What a push message has started, before any screen was shown, is not ended here. One after the other, so that no late goodbye ends a new connection.
    try {
        shown.distinctUntilChanged().dropWhile { !it }.collectLatest { isShown ->
            if (isShown) {
                network.distinctUntilChanged().withIndex().collect { (count, network) ->
                    // None in between needs no telling: nothing can be done without.
                    if (count == 0) telling { phone.connect() } else if (network != null) telling { phone.networkChanged() }
                }
            } else {
                // None is shown while the phone is turned, either.
                do delay(pause) while (unlessClosed { phone.pending() }.isNotEmpty())
                telling { phone.disconnect() }
            }
        }
    } catch (_: PhoneClosed) {
        // There is nothing to connect any more.
    }
}

private class PhoneClosed : Exception()

private inline fun <T> unlessClosed(call: () -> T): T = try {
    call()
} catch (problem: IllegalStateException) {
    // What cancels is of that class, too.
    throw if (problem is CancellationException) problem else PhoneClosed()
}

/** The network that the app has now, null if there is none, and then each other one. */
private fun defaultNetwork(context: Context): Flow<Network?> = callbackFlow {
    val networks = checkNotNull(context.getSystemService(ConnectivityManager::class.java))
    val callback = Networks { trySend(it) }
    trySend(networks.activeNetwork)
    networks.registerDefaultNetworkCallback(callback)
    awaitClose { networks.unregisterNetworkCallback(callback) }
}.buffer(Channel.UNLIMITED)

/** Gives [next] the network that can be used, or null. */
internal class Networks(private val next: (Network?) -> Unit) : ConnectivityManager.NetworkCallback() {
    // Comes for the present network, too.
    override fun onAvailable(network: Network) = next(network)

    // As when the system saves power or data; from Android 10.
    override fun onBlockedStatusChanged(network: Network, blocked: Boolean) = next(if (blocked) null else network)

    override fun onLost(network: Network) = next(null)
}
