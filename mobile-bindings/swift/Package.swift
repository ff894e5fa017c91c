// swift-tools-version: 5.9
import PackageDescription

let package = Package(
    name: "CountersignMobile",
    platforms: [.iOS(.v16), .macOS(.v13)],
    products: [.library(name: "CountersignMobile", targets: ["CountersignMobile"])],
    targets: [
        // Made by ./xcframework.
        .binaryTarget(name: "countersign_mobileFFI", path: "build/countersign_mobileFFI.xcframework"),
        // Made by ./generate.
        .target(
            name: "CountersignMobile",
            dependencies: ["countersign_mobileFFI"],
            resources: [.copy("PrivacyInfo.xcprivacy")],
            linkerSettings: [.linkedFramework("CoreFoundation"), .linkedFramework("Security")]
        ),
        .target(name: "Sample", dependencies: ["CountersignMobile"]),
    ]
)
