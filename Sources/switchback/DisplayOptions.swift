import ArgumentParser
import Devices
import Foundation
import Frontend
import Host
import Machine
import Synchronization

/// Where the guest's screen is shown.
enum Display: String, CaseIterable, Sendable {
  case window, none
}

/// The options of the window.
struct DisplayOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Show the guest's screen in a window or not at all (window if there is a display).",
      valueName: "kind"),
    transform: { try Arguments.choice(Display.self, $0) })
  var display: Display?

  @Option(
    help: ArgumentHelp(
      "Window pixels per pixel of the guest, 0.25 to 16 (what suits the screen).", valueName: "n"),
    transform: Arguments.scale)
  var scale: Double?

  @Flag(help: "Fill the whole screen.")
  var fullscreen = false

  @Option(
    help: ArgumentHelp(
      "Keys that release the mouse and begin shortcuts (ctrl+alt): some of "
        + "\(ReleaseKeys.choices), joined by +.", valueName: "keys"),
    transform: Arguments.releaseKeys)
  var releaseKeys = ReleaseKeys.standard

  /// Opens the window that is asked for; nil for none. A display that cannot be used is told in one line.
  func open(guest: String, engines: [String], layout: KeyLayout) throws
    -> MachineWindow?
  {
    let environment = ProcessInfo.processInfo.environment
    let hasDisplay = ["DISPLAY", "WAYLAND_DISPLAY"].contains { environment[$0]?.isEmpty == false }
    guard display != Display.none, display == .window || hasDisplay else { return nil }
    guard hasDisplay else {
      Switchback.complain("no display (DISPLAY is not set): running without a window")
      return nil
    }
    var options = WindowOptions()
    options.guest = guest
    options.scale = scale
    options.isFullscreen = fullscreen
    options.releaseKeys = releaseKeys
    options.engines = engines
    options.layout = layout
    options.hertz = HostInfo.hertz
    options.saveScreenshot = Self.save
    do throws(HostError) {
      let panel = try FrontPanel()
      do throws(WindowError) {
        return MachineWindow(
          panel: panel, window: try DesktopWindow(options: options, panel: panel))
      } catch {
        Switchback.complain("no window: \(error); running without")
        return nil
      }
    } catch { throw InputError(.unavailable, "--display: \(error)") }
  }

  /// Saves a screenshot in the working directory under a new name.
  /// - Returns: what to tell the user.
  private static func save(_ png: [UInt8]) -> String {
    let formatter = DateFormatter()
    formatter.locale = Locale(identifier: "en_US_POSIX")
    formatter.dateFormat = "yyyyMMdd-HHmmss"
    let name = "switchback-\(formatter.string(from: Date())).png"
    do throws(HostError) {
      try HostFile.write(png, to: name)
      return "saved \(name)"
    } catch { return "screenshot: \(error)" }
  }
}

/// A machine in a window: the machine on a thread of its own, the window on the main thread.
struct MachineWindow {
  let panel: FrontPanel
  let window: DesktopWindow

  /// Runs the job and shows it.
  /// - Returns: the exit status.
  func run(_ job: RunJob) throws -> Int32 {
    let outcome = JobOutcome()
    let panel = panel
    // What the X library does not survive, the machine does: it ends well and writes what it has to.
    DesktopWindow.whenDisplayIsLost {
      writeToStandardError("switchback: the display is gone, ending the run\n")
      panel.send(.end(.displayLost))
      let status = (try? outcome.wait().get()) ?? Ending.displayLost.status
      HostProcess.exitNow(status)
    }
    do throws(HostError) {
      try HostThread.start(name: "machine") {
        outcome.finish(Result { try job.run(panel: panel) })
        panel.wakeWindow()
      }
    } catch { throw InputError(.unavailable, "\(error)") }
    window.show { outcome.isThere }
    return try outcome.wait().get()
  }
}

/// How a job on another thread ended.
final class JobOutcome: Sendable {
  private let result = Mutex<Result<Int32, any Error>?>(nil)
  private let isDone = DispatchSemaphore(value: 0)

  func finish(_ outcome: Result<Int32, any Error>) {
    result.withLock { $0 = outcome }
    isDone.signal()
  }

  var isThere: Bool { result.withLock { $0 != nil } }

  /// Waits for the end.
  func wait() -> Result<Int32, any Error> {
    while true {
      if let outcome = result.withLock({ $0 }) { return outcome }
      isDone.wait()
    }
  }
}
