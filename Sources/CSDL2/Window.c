#define _GNU_SOURCE
#include "CSDL2.h"

#include <stdlib.h>

#if __has_include(<SDL2/SDL.h>)

#include <SDL2/SDL.h>
#include <dlfcn.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

// The functions that are used, each as a pointer of its own type.
#define FUNCTIONS(F)                                                                              \
  F(Init) F(Quit) F(InitSubSystem) F(SetHint) F(GetError) F(CreateWindow) F(DestroyWindow)        \
  F(PollEvent) F(WaitEventTimeout) F(PushEvent) F(GetWindowSurface) F(UpdateWindowSurfaceRects)   \
  F(SetWindowTitle)                                                                               \
  F(SetWindowSize) F(SetWindowFullscreen) F(GetWindowSize) F(SetRelativeMouseMode)                \
  F(SetWindowKeyboardGrab) F(ShowCursor) F(GetClipboardText) F(HasClipboardText) F(free)          \
  F(GetWindowDisplayIndex) F(GetDisplayUsableBounds) F(OpenAudioDevice) F(PauseAudioDevice)       \
  F(GetWindowFlags) F(SetWindowMinimumSize) F(StopTextInput) F(CreateRGBSurfaceWithFormat)        \
  F(FreeSurface) F(UpperBlit) F(GetWindowPosition) F(GetWindowSizeInPixels)                       \
  F(ShowWindow) F(SetWindowPosition)

#define DECLARE(name) static __typeof__(SDL_##name) *p_##name;
FUNCTIONS(DECLARE)

static SDL_Window *window;
/// Takes the picture where the window's own format is another one; null usually.
static SDL_Surface *shadow;
static char message[256];

static const char *failed(const char *text) {
  strncpy(message, text, sizeof message - 1);
  return message;
}

static const char *load(void) {
  static void *library;
  if (library) return NULL;
  void *handle = dlopen("libSDL2-2.0.so.0", RTLD_NOW | RTLD_LOCAL);
  if (!handle) return failed("libSDL2-2.0.so.0 is not installed");
#define FIND(name)                                                                \
  p_##name = (__typeof__(p_##name))dlsym(handle, "SDL_" #name);                   \
  if (!p_##name) return failed("this libSDL2 is too old: it lacks SDL_" #name);
  FUNCTIONS(FIND)
  library = handle;
  return NULL;
}

const char *sdl_open(const char *title, int width, int height, bool fullscreen) {
  const char *problem = load();
  if (problem) return problem;
  p_SetHint(SDL_HINT_NO_SIGNAL_HANDLERS, "1");
  p_SetHint(SDL_HINT_VIDEO_ALLOW_SCREENSAVER, "1");
  p_SetHint(SDL_HINT_VIDEO_X11_NET_WM_BYPASS_COMPOSITOR, "0");
  // Shared memory is all that a changed region needs; a 3D driver would be loaded otherwise.
  p_SetHint(SDL_HINT_FRAMEBUFFER_ACCELERATION, "0");
  p_SetHint(SDL_HINT_MOUSE_FOCUS_CLICKTHROUGH, "1");
  p_SetHint(SDL_HINT_APP_NAME, "Switchback");
  // Only drivers of a desktop: SDL would rather draw nowhere than fail. Its variable has the last word.
  const char *x = getenv("DISPLAY"), *wayland = getenv("WAYLAND_DISPLAY");
  bool has_x = x && *x, has_wayland = wayland && *wayland;
  p_SetHint(SDL_HINT_VIDEODRIVER, has_x && has_wayland ? "x11,wayland" : has_wayland ? "wayland" : "x11");
  if (p_Init(SDL_INIT_VIDEO) != 0) {
    snprintf(message, sizeof message, "display %s cannot be opened (SDL: %s)",
             has_x ? x : wayland ? wayland : "", p_GetError());
    return message;
  }
  Uint32 flags = SDL_WINDOW_RESIZABLE | SDL_WINDOW_ALLOW_HIGHDPI | SDL_WINDOW_HIDDEN;
  if (fullscreen) flags |= SDL_WINDOW_FULLSCREEN_DESKTOP;
  window = p_CreateWindow(title, SDL_WINDOWPOS_CENTERED, SDL_WINDOWPOS_CENTERED, width, height, flags);
  if (!window) {
    failed(p_GetError());
    p_Quit();
    return message;
  }
  // Keys are keys here; input methods would hold some back.
  p_StopTextInput();
  p_SetWindowMinimumSize(window, 160, 100);
  return NULL;
}

void sdl_show_window(void) { p_ShowWindow(window); }

void sdl_close(void) {
  sdl_tone(0);
  if (shadow) p_FreeSurface(shadow);
  shadow = NULL;
  if (window) p_DestroyWindow(window);
  window = NULL;
  p_Quit();
}

static HostEvent window_event(const SDL_WindowEvent *event) {
  HostEvent info = {.kind = HOST_OTHER};
  switch (event->event) {
    case SDL_WINDOWEVENT_FOCUS_GAINED: info.kind = HOST_FOCUS_GAINED; break;
    case SDL_WINDOWEVENT_FOCUS_LOST: info.kind = HOST_FOCUS_LOST; break;
    case SDL_WINDOWEVENT_SIZE_CHANGED:
    case SDL_WINDOWEVENT_DISPLAY_CHANGED: info.kind = HOST_RESIZED; break;
    case SDL_WINDOWEVENT_SHOWN:
    case SDL_WINDOWEVENT_RESTORED:
    case SDL_WINDOWEVENT_EXPOSED: info.kind = HOST_EXPOSED; break;
    case SDL_WINDOWEVENT_CLOSE: info.kind = HOST_CLOSED; break;
    default: break;
  }
  return info;
}

HostEvent sdl_next_event(void) {
  HostEvent info = {.kind = HOST_NONE};
  SDL_Event event;
  if (!p_PollEvent(&event)) return info;
  info.kind = HOST_OTHER;
  switch (event.type) {
    case SDL_KEYDOWN:
      // The guest's keyboard repeats by itself.
      if (event.key.repeat) break;
      info.kind = HOST_KEY_PRESSED;
      info.code = event.key.keysym.scancode;
      break;
    case SDL_KEYUP:
      info.kind = HOST_KEY_RELEASED;
      info.code = event.key.keysym.scancode;
      break;
    case SDL_MOUSEMOTION:
      info = (HostEvent){.kind = HOST_MOUSE_MOVED, .x = event.motion.x, .y = event.motion.y,
                            .dx = event.motion.xrel, .dy = event.motion.yrel};
      break;
    case SDL_MOUSEBUTTONDOWN:
    case SDL_MOUSEBUTTONUP:
      info = (HostEvent){
          .kind = event.type == SDL_MOUSEBUTTONDOWN ? HOST_BUTTON_PRESSED : HOST_BUTTON_RELEASED,
          .code = event.button.button, .x = event.button.x, .y = event.button.y};
      break;
    case SDL_MOUSEWHEEL:
      info.kind = HOST_WHEEL;
      info.dy = event.wheel.direction == SDL_MOUSEWHEEL_FLIPPED ? event.wheel.y : -event.wheel.y;
      break;
    case SDL_QUIT: info.kind = HOST_CLOSED; break;
    case SDL_WINDOWEVENT: return window_event(&event.window);
    default: break;
  }
  return info;
}

void sdl_wait(int milliseconds) { p_WaitEventTimeout(NULL, milliseconds); }

void sdl_wake(void) {
  SDL_Event event = {.type = SDL_USEREVENT};
  p_PushEvent(&event);
}

HostPixels sdl_pixels(void) {
  HostPixels none = {0};
  SDL_Surface *surface = window ? p_GetWindowSurface(window) : NULL;
  if (!surface || surface->w <= 0 || surface->h <= 0) return none;
  SDL_PixelFormat *format = surface->format;
  if (format->BytesPerPixel != 4 || format->Rmask != 0xFF0000 || format->Gmask != 0xFF00 ||
      format->Bmask != 0xFF) {
    if (shadow && (shadow->w != surface->w || shadow->h != surface->h)) {
      p_FreeSurface(shadow);
      shadow = NULL;
    }
    if (!shadow)
      shadow = p_CreateRGBSurfaceWithFormat(0, surface->w, surface->h, 32, SDL_PIXELFORMAT_RGB888);
    surface = shadow;
  } else if (shadow) {
    p_FreeSurface(shadow);
    shadow = NULL;
  }
  if (!surface || !surface->pixels) return none;
  return (HostPixels){.pixels = surface->pixels, .width = surface->w, .height = surface->h,
                     .stride = surface->pitch / 4};
}

void sdl_show(const HostRectangle *rectangles, int count) {
  enum { BATCH = 64 };
  SDL_Rect rects[BATCH];
  while (count > 0) {
    int n = count < BATCH ? count : BATCH;
    for (int i = 0; i < n; i++)
      rects[i] = (SDL_Rect){rectangles[i].x, rectangles[i].y, rectangles[i].width,
                            rectangles[i].height};
    if (shadow) {
      SDL_Surface *surface = p_GetWindowSurface(window);
      for (int i = 0; surface && i < n; i++) {
        SDL_Rect target = rects[i];
        p_UpperBlit(shadow, &rects[i], surface, &target);
      }
    }
    p_UpdateWindowSurfaceRects(window, rects, n);
    rectangles += n;
    count -= n;
  }
}

void sdl_set_title(const char *title) { p_SetWindowTitle(window, title); }

static void screen_bounds(int *left, int *top, int *right, int *bottom) {
  SDL_Rect bounds = {0, 0, 1024, 768};
  int display = p_GetWindowDisplayIndex(window);
  p_GetDisplayUsableBounds(display < 0 ? 0 : display, &bounds);
  *left = bounds.x;
  *top = bounds.y;
  *right = bounds.x + bounds.w;
  *bottom = bounds.y + bounds.h;
}

/// The lower bound wins where there is no room.
static int clamped(int value, int low, int high) {
  return value < low || high < low ? low : value > high ? high : value;
}

void sdl_set_size(int width, int height) {
  if (p_GetWindowFlags(window) & (SDL_WINDOW_FULLSCREEN | SDL_WINDOW_MAXIMIZED)) return;
  double density = sdl_density();
  int x, y, old_width, old_height, left, top, right, bottom;
  p_GetWindowPosition(window, &x, &y);
  p_GetWindowSize(window, &old_width, &old_height);
  screen_bounds(&left, &top, &right, &bottom);
  width = (int)(width / density);
  height = (int)(height / density);
  p_SetWindowSize(window, width, height);
  // Its middle stays where it is, as far as the screen has room.
  x = clamped(x + (old_width - width) / 2, left, right - width);
  y = clamped(y + (old_height - height) / 2, top, bottom - height);
  p_SetWindowPosition(window, x, y);
}

void sdl_set_fullscreen(bool on) {
  p_SetWindowFullscreen(window, on ? SDL_WINDOW_FULLSCREEN_DESKTOP : 0);
}

double sdl_density(void) {
  int width = 0, height = 0, wide = 0, high = 0;
  p_GetWindowSize(window, &width, &height);
  p_GetWindowSizeInPixels(window, &wide, &high);
  return width > 0 && wide > 0 ? (double)wide / width : 1;
}

void sdl_capture_mouse(bool on) {
  p_SetRelativeMouseMode(on ? SDL_TRUE : SDL_FALSE);
  p_SetWindowKeyboardGrab(window, on ? SDL_TRUE : SDL_FALSE);
}

void sdl_show_pointer(bool on) { p_ShowCursor(on ? SDL_ENABLE : SDL_DISABLE); }

char *sdl_clipboard(void) {
  if (!p_HasClipboardText()) return NULL;
  char *text = p_GetClipboardText();
  char *copy = text && *text ? strdup(text) : NULL;
  p_free(text);
  return copy;
}

void sdl_screen_size(int *width, int *height) {
  int left, top, right, bottom;
  screen_bounds(&left, &top, &right, &bottom);
  *width = right - left;
  *height = bottom - top;
}

// Sound.

enum { RATE = 44100 };
static _Atomic uint32_t wanted_hertz;

static void SDLCALL fill(void *unused, Uint8 *bytes, int count) {
  (void)unused;
  static uint32_t phase;
  static int level;
  Sint16 *samples = (Sint16 *)(void *)bytes;
  uint32_t hertz = atomic_load(&wanted_hertz);
  uint32_t step = (uint32_t)(((uint64_t)hertz << 32) / RATE);
  for (int i = 0; i < count / 2; i++) {
    int target = hertz == 0 ? 0 : phase < 0x80000000u ? 4000 : -4000;
    // A slope of a few samples instead of a jump: no clicks.
    level += (target - level) / 2;
    samples[i] = (Sint16)level;
    phase += step;
  }
}

bool sdl_tone(uint32_t hertz) {
  static SDL_AudioDeviceID device;
  static bool failed_before;
  atomic_store(&wanted_hertz, hertz);
  if (hertz == 0 || failed_before) {
    if (device) p_PauseAudioDevice(device, 1);
    return !failed_before;
  }
  if (!device) {
    SDL_AudioSpec want = {.freq = RATE, .format = AUDIO_S16SYS, .channels = 1, .samples = 512,
                          .callback = fill};
    SDL_AudioSpec have;
    if (p_InitSubSystem(SDL_INIT_AUDIO) == 0) device = p_OpenAudioDevice(NULL, 0, &want, &have, 0);
    failed_before = device == 0;
    if (failed_before) return false;
  }
  p_PauseAudioDevice(device, 0);
  return true;
}

// The end.

static void (*exit_handler)(void);

static void exiting(void) {
  if (window && exit_handler) exit_handler();
}

void sdl_on_exit(void (*handler)(void)) {
  if (!exit_handler) atexit(exiting);
  exit_handler = handler;
}

#else

const char *sdl_open(const char *title, int width, int height, bool fullscreen) {
  (void)title, (void)width, (void)height, (void)fullscreen;
  return "this build has no window: the headers of SDL 2 were missing (Debian: libsdl2-dev)";
}
// Without an open window nobody calls these.
void sdl_close(void) {}
void sdl_show_window(void) {}
HostEvent sdl_next_event(void) {
  return (HostEvent){.kind = HOST_NONE};
}
void sdl_wait(int milliseconds) { (void)milliseconds; }
void sdl_wake(void) {}
HostPixels sdl_pixels(void) { return (HostPixels){0}; }
void sdl_show(const HostRectangle *rectangles, int count) { (void)rectangles, (void)count; }
void sdl_set_title(const char *title) { (void)title; }
void sdl_set_size(int width, int height) { (void)width, (void)height; }
void sdl_set_fullscreen(bool on) { (void)on; }
double sdl_density(void) { return 1; }
void sdl_capture_mouse(bool on) { (void)on; }
void sdl_show_pointer(bool on) { (void)on; }
char *sdl_clipboard(void) { return NULL; }
void sdl_screen_size(int *width, int *height) { *width = *height = 0; }
bool sdl_tone(uint32_t hertz) { return hertz == 0; }
void sdl_on_exit(void (*handler)(void)) { (void)handler; }

#endif
