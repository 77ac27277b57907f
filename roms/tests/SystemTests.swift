import Roms

extension ROM {
  /// The system tests of processor and chipset: each prints a line per check on port E9h and COM1 and ends with a
  /// write of 0 (all passed) or 1 to the debug-exit port F4h.
  public static let systemTests = [
    ROM(name: "gates", base64: gatesImage),
    ROM(name: "paging", base64: pagingImage),
    ROM(name: "segmentation", base64: segmentationImage),
    ROM(name: "tasks", base64: tasksImage),
  ]
}
