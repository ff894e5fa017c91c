package countersign.example

import android.annotation.SuppressLint
import android.app.Activity
import android.hardware.biometrics.BiometricManager.Authenticators.BIOMETRIC_STRONG
import android.hardware.biometrics.BiometricManager.Authenticators.DEVICE_CREDENTIAL
import android.hardware.biometrics.BiometricPrompt
import android.os.Build
import android.os.CancellationSignal
import countersign.android.Prompt
import countersign.android.PromptException
import countersign.android.Unlocking
import javax.crypto.Cipher
import kotlin.coroutines.resume
import kotlin.coroutines.resumeWithException
import kotlinx.coroutines.suspendCancellableCoroutine

/** [Prompt] with Android's own `BiometricPrompt`, over [activity]: make one for each screen. [unlocking] is the same as the key store's. */
class SystemPrompt(private val activity: Activity, private val title: String, private val unlocking: Unlocking) : Prompt {
    override suspend fun authorise(cipher: Cipher, reason: String): Cipher = suspendCancellableCoroutine { waiting ->
        val cancel = CancellationSignal()
        waiting.invokeOnCancellation { cancel.cancel() }
        val answer = object : BiometricPrompt.AuthenticationCallback() {
            override fun onAuthenticationSucceeded(result: BiometricPrompt.AuthenticationResult) {
                // Some phones call twice.
                if (!waiting.isActive) return
                val authorised = result.cryptoObject?.cipher
                if (authorised != null) waiting.resume(authorised)
                else waiting.resumeWithException(PromptException.Unavailable("the system gave nothing back: try again"))
            }

            override fun onAuthenticationError(code: Int, text: CharSequence?) {
                if (waiting.isActive) waiting.resumeWithException(promptFailure(code))
            }
        }
        prompt(reason) { if (waiting.isActive) waiting.resumeWithException(PromptException.Cancelled()) }
            .authenticate(BiometricPrompt.CryptoObject(cipher), cancel, activity.mainExecutor, answer)
    }

    @SuppressLint("MissingPermission") // USE_BIOMETRIC is in the library's manifest
    private fun prompt(reason: String, cancelled: () -> Unit): BiometricPrompt {
        val builder = BiometricPrompt.Builder(activity).setTitle(title).setDescription(reason)
        val lockScreenToo = unlocking == Unlocking.BIOMETRIC_OR_LOCK_SCREEN && Build.VERSION.SDK_INT >= Build.VERSION_CODES.R
        if (Build.VERSION.SDK_INT >= Build.VERSION_CODES.R) {
            builder.setAllowedAuthenticators(if (lockScreenToo) BIOMETRIC_STRONG or DEVICE_CREDENTIAL else BIOMETRIC_STRONG)
        }
        // The lock screen's way in takes the button's place.
        if (!lockScreenToo) {
            val text = activity.getText(android.R.string.cancel)
            builder.setNegativeButton(text, activity.mainExecutor) { _, _ -> cancelled() }
        }
        return builder.build()
    }
}

/** What an error of `BiometricPrompt` means here. */
internal fun promptFailure(code: Int): PromptException = when (code) {
    BiometricPrompt.BIOMETRIC_ERROR_USER_CANCELED,
    BiometricPrompt.BIOMETRIC_ERROR_CANCELED,
    BiometricPrompt.BIOMETRIC_ERROR_TIMEOUT,
    -> PromptException.Cancelled()
    BiometricPrompt.BIOMETRIC_ERROR_LOCKOUT,
    BiometricPrompt.BIOMETRIC_ERROR_LOCKOUT_PERMANENT,
    -> PromptException.LockedOut()
    BiometricPrompt.BIOMETRIC_ERROR_NO_BIOMETRICS,
    BiometricPrompt.BIOMETRIC_ERROR_NO_DEVICE_CREDENTIAL,
    -> PromptException.Unavailable("set up a screen lock and a fingerprint or face in the phone's settings, then try again")
    BiometricPrompt.BIOMETRIC_ERROR_HW_NOT_PRESENT -> PromptException.Unavailable("this phone can recognise neither fingerprint nor face")
    else -> PromptException.Unavailable("the phone cannot recognise anybody now (code $code): lock and unlock it, then try again")
}
