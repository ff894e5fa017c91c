package countersign.example

import android.hardware.biometrics.BiometricPrompt
import countersign.android.PromptException
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test

class SystemPromptTest {
    @Test
    fun `every error of the system's prompt has a meaning`() {
        val meanings = mapOf(
            BiometricPrompt.BIOMETRIC_ERROR_USER_CANCELED to PromptException.Cancelled::class,
            BiometricPrompt.BIOMETRIC_ERROR_CANCELED to PromptException.Cancelled::class,
            BiometricPrompt.BIOMETRIC_ERROR_TIMEOUT to PromptException.Cancelled::class,
            BiometricPrompt.BIOMETRIC_ERROR_LOCKOUT to PromptException.LockedOut::class,
            BiometricPrompt.BIOMETRIC_ERROR_LOCKOUT_PERMANENT to PromptException.LockedOut::class,
            BiometricPrompt.BIOMETRIC_ERROR_NO_BIOMETRICS to PromptException.Unavailable::class,
            BiometricPrompt.BIOMETRIC_ERROR_HW_NOT_PRESENT to PromptException.Unavailable::class,
            BiometricPrompt.BIOMETRIC_ERROR_VENDOR to PromptException.Unavailable::class,
        )
        for ((code, meaning) in meanings) assertEquals(meaning, promptFailure(code)::class, "code $code")
        val detail = (promptFailure(BiometricPrompt.BIOMETRIC_ERROR_NO_BIOMETRICS) as PromptException.Unavailable).detail
        assertTrue("settings" in detail)
    }
}
