package countersign.example

import android.net.Network
import countersign.android.bare
import java.lang.reflect.Proxy
import kotlin.time.Duration
import kotlin.time.Duration.Companion.milliseconds
import kotlinx.coroutines.channels.Channel
import kotlinx.coroutines.flow.Flow
import kotlinx.coroutines.flow.MutableStateFlow
import kotlinx.coroutines.flow.flowOf
import kotlinx.coroutines.flow.receiveAsFlow
import kotlinx.coroutines.launch
import kotlinx.coroutines.runBlocking
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertFalse
import org.junit.jupiter.api.Assertions.assertNull
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.Timeout
import uniffi.countersign_mobile.AuthenticatorException
import uniffi.countersign_mobile.AuthenticatorInterface
import uniffi.countersign_mobile.PendingRequest

@Timeout(20)
class ConnectionTest {
    private val calls = Channel<String>(Channel.UNLIMITED)
    private val told = Channel<String>(Channel.UNLIMITED)
    private val shown = MutableStateFlow(true)
    private val networks = Channel<Network?>(Channel.UNLIMITED)
    private var failing = false

    @Volatile
    private var closed = false

    @Volatile
    private var waiting = emptyList<PendingRequest>()

    private val nothing = Proxy.newProxyInstance(javaClass.classLoader, arrayOf(AuthenticatorInterface::class.java)) { _, method, _ ->
        error(method.name)
    } as AuthenticatorInterface

    /** Writes down what is called. */
    private val phone = object : AuthenticatorInterface by nothing {
        override suspend fun connect() = called("connect")

        override suspend fun networkChanged() = called("networkChanged")

        override suspend fun disconnect() = called("disconnect")

        override fun pending(): List<PendingRequest> = waiting.also {
            calls.trySend("pending: ${it.size}")
            if (closed) error("closed")
        }
    }

    private fun called(name: String) {
        calls.trySend(name)
        if (closed) error("closed")
        if (failing) throw AuthenticatorException.TryAgain("what to do")
    }

    private fun connected(shown: Flow<Boolean> = this.shown, pause: Duration = 1.milliseconds, test: suspend () -> Unit) = runBlocking {
        val staying = launch { stayConnected(phone, shown, networks.receiveAsFlow(), told::trySend, pause) }
        test()
        staying.cancel()
    }

    @Test
    fun `it connects once, and is told of other networks`() = connected {
        networks.send(Network(1))
        assertEquals("connect", calls.receive())
        // The system names the present one as soon as it is asked.
        networks.send(Network(1))
        networks.send(Network(2))
        assertEquals("networkChanged", calls.receive())
        networks.send(null)
        networks.send(Network(2))
        assertEquals("networkChanged", calls.receive())
        shown.value = false
        assertEquals("pending: 0", calls.receive())
        assertEquals("disconnect", calls.receive())
        assertNull(calls.tryReceive().getOrNull())
    }

    @Test
    fun `it connects without a network, too, and uses the first`() = connected {
        networks.send(null)
        assertEquals("connect", calls.receive())
        networks.send(Network(1))
        assertEquals("networkChanged", calls.receive())
    }

    @Test
    fun `it stays while a request waits`() = connected {
        networks.send(Network(1))
        assertEquals("connect", calls.receive())
        waiting = listOf(bare())
        shown.value = false
        repeat(3) { assertEquals("pending: 1", calls.receive()) }
        waiting = emptyList()
        while (calls.receive() == "pending: 1") Unit
        assertEquals("disconnect", calls.receive())
    }

    @Test
    fun `what was connected before any screen was shown stays so`() = connected(flowOf(false, true), pause = Duration.ZERO) {
        networks.send(Network(1))
        assertEquals("connect", calls.receive())
    }

    @Test
    fun `it ends when the phone is closed, at whichever call`() = runBlocking {
        suspend fun ends(last: String, test: suspend () -> Unit) {
            closed = false
            shown.value = true
            val staying = launch { stayConnected(phone, shown, networks.receiveAsFlow(), told::trySend, 1.milliseconds) }
            networks.send(Network(1))
            if (last != "connect") assertEquals("connect", calls.receive())
            test()
            while (calls.receive() != last) Unit
            staying.join()
            assertFalse(staying.isCancelled, "it failed, or was cancelled")
        }
        ends("networkChanged") {
            closed = true
            networks.send(Network(2))
        }
        ends("pending: 0") {
            closed = true
            shown.value = false
        }
        ends("connect") { closed = true }
        assertNull(told.tryReceive().getOrNull())
    }

    @Test
    fun `a network that may be used again is another one`() {
        val seen = mutableListOf<Network?>()
        Networks { seen += it }.run {
            onAvailable(Network(1))
            onBlockedStatusChanged(Network(1), false)
            onBlockedStatusChanged(Network(1), true)
            onBlockedStatusChanged(Network(1), false)
            onLost(Network(1))
        }
        assertEquals(listOf(Network(1), Network(1), null, Network(1), null), seen)
    }

    @Test
    fun `what goes wrong is told, and ends nothing`() = connected {
        failing = true
        networks.send(Network(1))
        assertEquals("what to do", told.receive())
        failing = false
        networks.send(Network(2))
        assertEquals(listOf("connect", "networkChanged"), listOf(calls.receive(), calls.receive()))
        shown.value = false
        assertEquals("pending: 0", calls.receive())
        assertEquals("disconnect", calls.receive())
        networks.send(Network(2))
        shown.value = true
        assertEquals("connect", calls.receive())
    }
}
