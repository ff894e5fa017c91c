package countersign.android

import android.annotation.SuppressLint
import android.app.Activity
import android.app.Application
import android.content.Context
import android.hardware.biometrics.BiometricManager.Authenticators.BIOMETRIC_STRONG
import android.hardware.biometrics.BiometricManager.Authenticators.DEVICE_CREDENTIAL
import android.hardware.biometrics.BiometricPrompt
import android.os.Build
import android.os.CancellationSignal
import javax.crypto.Cipher
import kotlin.coroutines.resume
import kotlin.coroutines.resumeWithException
import kotlinx.coroutines.suspendCancellableCoroutine

/** [Prompt] with Android's own `BiometricPrompt`, over the app's screen in front, under this [title]. Make one in `Application.onCreate`. */
class SystemPrompt(private val screens: Screens, private val title: CharSequence) : Prompt {
    constructor(application: Application, title: CharSequence) : this(Screens(application), title)

    override suspend fun authorise(cipher: Cipher, reason: String, unlocking: Unlocking): Cipher = screens.onCurrent { screen ->
        answer { cancel, callback -> show(screen, Question(title, reason, unlocking), cipher, cancel, callback) }
    }

    @SuppressLint("MissingPermission") // USE_BIOMETRIC is in the library's manifest
    private fun show(
        screen: Activity,
        question: Question,
        cipher: Cipher,
        cancel: CancellationSignal,
        callback: BiometricPrompt.AuthenticationCallback,
    ) {
        val cancelled = { callback.onAuthenticationError(NEGATIVE_BUTTON, null) }
        question.builder(screen, screen.getText(android.R.string.cancel), cancelled).build()
            .authenticate(BiometricPrompt.CryptoObject(cipher), cancel, screen.mainExecutor, callback)
    }
}

/** What the prompt shows, and whom it takes. [sdk] is the version of Android. */
internal class Question(
    private val title: CharSequence,
    private val reason: String,
    unlocking: Unlocking,
    private val sdk: Int = Build.VERSION.SDK_INT,
) {
    private val lockScreenToo = unlocking == Unlocking.BIOMETRIC_OR_LOCK_SCREEN && sdk >= Build.VERSION_CODES.R

    @SuppressLint("NewApi") // lint does not know that `sdk` is the version
    fun builder(context: Context, cancel: CharSequence, cancelled: () -> Unit): BiometricPrompt.Builder {
        val builder = BiometricPrompt.Builder(context).setTitle(title).setDescription(reason)
        // A face that happens to be in front of the phone approves nothing.
        if (sdk >= Build.VERSION_CODES.Q) builder.setConfirmationRequired(true)
        if (sdk >= Build.VERSION_CODES.R) {
            builder.setAllowedAuthenticators(if (lockScreenToo) BIOMETRIC_STRONG or DEVICE_CREDENTIAL else BIOMETRIC_STRONG)
        }
        // The lock screen's way in takes the button's place.
        if (!lockScreenToo) builder.setNegativeButton(cancel, context.mainExecutor) { _, _ -> cancelled() }
        return builder
    }
}

/** Waits for what the person does with a question that [show] puts on the screen; takes it away when this is cancelled. */
internal suspend fun answer(show: (CancellationSignal, BiometricPrompt.AuthenticationCallback) -> Unit): Cipher =
    suspendCancellableCoroutine { waiting ->
        val cancel = CancellationSignal()
        waiting.invokeOnCancellation { cancel.cancel() }
        show(cancel, object : BiometricPrompt.AuthenticationCallback() {
            override fun onAuthenticationSucceeded(result: BiometricPrompt.AuthenticationResult) {
                // Some phones call twice.
                if (!waiting.isActive) return
                val authorised = result.cryptoObject?.cipher
                if (authorised != null) waiting.resume(authorised)
                else waiting.resumeWithException(PromptException.Unavailable("the system gave nothing back: try again"))
            }

            override fun onAuthenticationError(code: Int, text: CharSequence?) {
                if (waiting.isActive) waiting.resumeWithException(PromptException.of(code))
            }
        })
    }
