/// What the window needs of SDL 2 (libsdl.org), as plain functions and structs.
///
/// The library is loaded when a window is opened and not before, so that the program starts without it and
/// `--display none` never touches it. Where its headers are missing when this is compiled, there is no window.
/// All functions but `sdl_tone` and `sdl_wake` are for the one thread that opened the window.
#ifndef SWITCHBACK_CSDL2_H
#define SWITCHBACK_CSDL2_H

#include <stdbool.h>
#include <stdint.h>

typedef enum HostEventKind {
  HOST_NONE,          ///< nothing happened
  HOST_OTHER,         ///< something that nobody needs to know
  HOST_KEY_PRESSED,   ///< `code`: USB usage of the key, not its letter
  HOST_KEY_RELEASED,  ///< `code`
  HOST_MOUSE_MOVED,   ///< `x`, `y`: place in window coordinates; `dx`, `dy`: movement
  HOST_BUTTON_PRESSED,   ///< `code`: 1 left, 2 middle, 3 right, 4 and 5 the side buttons; `x`, `y`
  HOST_BUTTON_RELEASED,  ///< the same
  HOST_WHEEL,         ///< `dy`: positive towards the user
  HOST_FOCUS_GAINED,
  HOST_FOCUS_LOST,
  HOST_RESIZED,       ///< the window has another size; get the surface again
  HOST_EXPOSED,       ///< the window must be drawn again
  HOST_CLOSED,        ///< the user closes the window
} HostEventKind;

typedef struct HostEvent {
  HostEventKind kind;
  int32_t code;
  int32_t x, y, dx, dy;
} HostEvent;

typedef struct HostRectangle {
  int32_t x, y, width, height;
} HostRectangle;

/// The window's pixels: bytes blue, green, red, unused in memory order. Null while it has no size.
typedef struct HostPixels {
  uint32_t *_Nullable pixels;
  int32_t width, height;
  /// Pixels from one row to the next.
  int32_t stride;
} HostPixels;

/// Loads the library and opens a window with room for `width` by `height` pixels, which is not seen before
/// `sdl_show_window`. Returns null, or what went wrong.
const char *_Nullable sdl_open(const char *_Nonnull title, int width, int height, bool fullscreen);
/// Lets the window be seen.
void sdl_show_window(void);
/// Closes the window. Nothing is left to call then.
void sdl_close(void);

/// The next event, `HOST_NONE` if nothing has happened.
HostEvent sdl_next_event(void);
/// Waits for an event, which stays there to be taken, or a call of `sdl_wake`; `milliseconds` at most.
void sdl_wait(int milliseconds);
/// Ends a `sdl_wait`, or the next one if there is none. Any thread may call it.
void sdl_wake(void);

/// The window's pixels, valid up to the next event.
HostPixels sdl_pixels(void);
/// Shows the pixels of some rectangles, which lie inside the window.
void sdl_show(const HostRectangle *_Nonnull rectangles, int count);

void sdl_set_title(const char *_Nonnull title);
/// Gives the window room for `width` by `height` pixels, if it is not maximised or full screen. Its middle stays
/// in place unless it would reach over the screen's edges then.
void sdl_set_size(int width, int height);
void sdl_set_fullscreen(bool on);
/// Pixels per window coordinate (more than 1 on a HiDPI screen).
double sdl_density(void);
/// Hides the pointer and reports its movements without end; also takes the window manager's keys.
void sdl_capture_mouse(bool on);
/// Shows or hides the pointer over the window.
void sdl_show_pointer(bool on);
/// The text on the clipboard, to be freed with `free`; null if there is none.
char *_Nullable sdl_clipboard(void);
/// The size of the screen that the window is on, without panels, in window coordinates.
void sdl_screen_size(int *_Nonnull width, int *_Nonnull height);

/// Sounds a square wave, or nothing for 0 Hz. The sound device is opened at the first tone. Returns whether it
/// could be.
bool sdl_tone(uint32_t hertz);

/// Calls `handler` if the process is about to exit while a window is open, as the X library makes it when the
/// connection to the display breaks. `handler` does not return.
void sdl_on_exit(void (*_Nonnull handler)(void));

#endif
