import Foundation
import PackagePlugin

/// Builds the guest code of a target: every `NAME.S` in the target's folder becomes one ROM image, joined by the
/// sources of the folder `NAME/` when there is one, and is embedded as a Swift constant by `roms/build.sh`.
@main struct GuestCode: BuildToolPlugin {
  func createBuildCommands(context: PluginContext, target: any Target) throws -> [Command] {
    let roms = context.package.directoryURL.appending(path: "roms")
    let script = roms.appending(path: "build.sh")
    let shared = try files(in: roms.appending(path: "include")) + [script]
    let clang = try context.tool(named: "clang").url
    let linker = try context.tool(named: "ld.lld").url
    return try files(in: target.directoryURL).filter { $0.pathExtension == "S" }.map { source in
      let folder = source.deletingPathExtension()
      let parts = try FileManager.default.fileExists(atPath: folder.path) ? files(in: folder) : []
      let output = context.pluginWorkDirectoryURL
        .appending(path: folder.lastPathComponent + "ROM.swift")
      return .buildCommand(
        displayName: "Assembling guest code \(folder.lastPathComponent)",
        executable: URL(filePath: "/bin/sh"),
        arguments: [script.path, clang.path, linker.path, source.path, output.path],
        inputFiles: shared + [source] + parts,
        outputFiles: [output])
    }
  }

  private func files(in folder: URL) throws -> [URL] {
    try FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil)
      .filter { !$0.hasDirectoryPath }
      .sorted { $0.path < $1.path }
  }
}
