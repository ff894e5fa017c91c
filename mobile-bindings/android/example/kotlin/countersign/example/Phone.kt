package countersign.example

import android.content.Context
import android.net.ConnectivityManager
import android.net.Network
import countersign.android.FileStorage
import countersign.android.KeystoreKeychain
import countersign.android.Prompt
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.launch
import uniffi.countersign_mobile.Authenticator
import uniffi.countersign_mobile.AuthenticatorException
import uniffi.countersign_mobile.Observer
import uniffi.countersign_mobile.PendingRequest
import uniffi.countersign_mobile.SeedImport

/** The phone of this app: one for the whole process, kept in the `Application`. */
suspend fun openPhone(context: Context, prompt: Prompt, observer: Observer): Authenticator {
    val storage = FileStorage(context)
    val keychain = KeystoreKeychain(context, prompt)
    return if (storage.isEmpty()) {
        Authenticator.create(android.os.Build.MODEL, storage, keychain, observer)
    } else {
        Authenticator.open(storage, keychain, observer)
    }
}

/** Connects, and again at once when the phone has another network. [scope] lives as long as the process. */
fun stayConnected(context: Context, phone: Authenticator, scope: CoroutineScope) {
    scope.launch { phone.connect() }
    val networks = context.getSystemService(ConnectivityManager::class.java)
    networks?.registerDefaultNetworkCallback(object : ConnectivityManager.NetworkCallback() {
        override fun onAvailable(network: Network) {
            scope.launch { phone.networkChanged() }
        }
    })
}

/**
 * Approves with the number that the person has typed. If [PendingRequest.verified] says that it is the first use, ask whether this pairing may
 * use the seed and hand the answer in as [allow]: without it such a request is refused for good. [seed] if the request needs one.
 *
 * @return what to show if it was not approved; the request may still wait
 */
suspend fun approve(phone: Authenticator, request: PendingRequest, number: String, allow: Boolean, seed: SeedImport? = null): String? = try {
    phone.approve(request.id, number, codes = null, grant = allow, seed = seed)
    null
} catch (problem: AuthenticatorException) {
    problem.message.orEmpty()
}
