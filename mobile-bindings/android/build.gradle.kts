// The Android library (AAR): the engine for three kinds of processors, its Kotlin bindings, and the classes of this folder.
// Needs Gradle 8.13, the Android SDK and NDK, Rust with the three targets, and cargo-ndk (README.md).

// Kotlin 2.3 is the newest that R8 of 8.13.2 reads; 2.4 wants R8 9.1.29. pom.xml, by which the sources are checked, names the same. coroutines 1.11.0 was
// made with 2.2, so it fits both ways. An app that uses the AAR needs a Kotlin compiler from 2.2 on: one reads what the next makes, not more.
plugins {
    id("com.android.library") version "8.13.2"
    id("org.jetbrains.kotlin.android") version "2.3.21"
}

group = "countersign"
version = "0.1.0"

val processors = listOf("arm64-v8a", "armeabi-v7a", "x86_64")
val oldestAndroid = 28 // Android 9: BiometricPrompt and StrongBox
val workspace = rootDir.resolve("../..")
val cargoTarget = layout.buildDirectory.dir("cargo").get().asFile
val bindings = layout.buildDirectory.dir("bindings").get().asFile
val libraries = layout.buildDirectory.dir("libraries").get().asFile

android {
    namespace = "countersign.android"
    compileSdk = 35
    ndkVersion = "28.2.13676358" // since 28 libraries fit pages of 16 KB by default
    defaultConfig {
        minSdk = oldestAndroid
        consumerProguardFiles("consumer-rules.pro")
        ndk { abiFilters += processors }
    }
    sourceSets.getByName("main") {
        kotlin.srcDir(bindings)
        jniLibs.srcDir(libraries)
    }
    // They need Android's own classes and a library for this machine: ./run compiles and runs them.
    sourceSets.getByName("test") { kotlin.setSrcDirs(emptyList<String>()) }
    compileOptions {
        sourceCompatibility = JavaVersion.VERSION_17
        targetCompatibility = JavaVersion.VERSION_17
    }
}

kotlin { jvmToolchain(17) }

dependencies {
    api("org.jetbrains.kotlinx:kotlinx-coroutines-android:1.11.0")
    implementation("net.java.dev.jna:jna:5.19.1@aar")
}

// Tasks without declared outputs run each time: cargo knows what has changed.
val buildLibraries by tasks.registering(Exec::class) {
    description = "The engine for each kind of processor"
    workingDir = workspace
    environment("CARGO_TARGET_DIR", cargoTarget)
    environment("ANDROID_NDK_HOME", android.ndkDirectory)
    commandLine(
        listOf("cargo", "ndk", "--platform", "$oldestAndroid", "-o", libraries.path) +
            processors.flatMap { listOf("-t", it) } +
            listOf("build", "--locked", "--profile", "mobile", "-p", "countersign-mobile-library", "--lib"),
    )
}

// From a library for this machine: those for a phone are stripped of what the generator reads.
val buildForBindings by tasks.registering(Exec::class) {
    workingDir = workspace
    environment("CARGO_TARGET_DIR", cargoTarget)
    commandLine("cargo", "build", "--locked", "-p", "countersign-mobile-library", "--lib")
}

val generateBindings by tasks.registering(Exec::class) {
    description = "The Kotlin bindings"
    dependsOn(buildForBindings)
    workingDir = workspace
    environment("CARGO_TARGET_DIR", cargoTarget)
    val extension = if (System.getProperty("os.name").startsWith("Mac")) "dylib" else "so"
    commandLine("mobile-bindings/kotlin/generate", "$cargoTarget/debug/libcountersign_mobile.$extension", bindings.path)
}

tasks.named("preBuild") { dependsOn(buildLibraries, generateBindings) }
