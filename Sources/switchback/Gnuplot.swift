import ArgumentParser
import Host
import Machine

/// Pictures by gnuplot.
enum Gnuplot {
  private static let program = "/usr/bin/gnuplot"

  /// The value of an option that names a picture.
  static func path(_ text: String) throws -> String {
    guard text.hasSuffix(".svg") || text.hasSuffix(".png") else {
      throw ValidationError("a name that ends in .svg or .png is needed")
    }
    return text
  }

  /// Refuses an option that needs gnuplot where it is not installed.
  static func check(_ option: String) throws(InputError) {
    guard HostFile.absolutePath(program) == nil else { return }
    throw InputError(.unavailable, "\(option): gnuplot is not installed")
  }

  /// Draws a picture; its script stays beside it.
  /// - Parameter plot: the script for a picture of this name.
  static func draw(_ plot: (String) -> String, to path: String, option: String) throws {
    let script = path + ".gnuplot"
    try Files.write(plot(HostFile.name(of: path)), to: script, option: option)
    let drawn = try? NativeProcess.run(
      program, arguments: ["gnuplot", HostFile.name(of: script)],
      environment: ["PATH=/usr/bin:/bin", "HOME=/tmp"], input: "/dev/null",
      directory: HostFile.directory(of: HostFile.absolutePath(script) ?? script))
    guard drawn?.status == 0 else {
      let message = String(decoding: (drawn?.standardError ?? []).prefix(300), as: UTF8.self)
      throw InputError(.unavailable, "\(option): gnuplot failed: \(message)")
    }
  }
}
