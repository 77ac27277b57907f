/* Files: those packed with the program (a cpio archive in memory), which are read only, and those that a run creates,
   which end with it. */
#include "kernel.h"

enum { FILES = 4096, DESCRIPTORS = 256, NAME = 256 };
enum kind { FREE, PACKED, CREATED, DIRECTORY, NULL_DEVICE, ZERO_DEVICE };
/* File types and open flags as Linux has them. */
enum { S_IFCHR = 0020000, S_IFDIR = 0040000, S_IFREG = 0100000 };
enum { O_ACCMODE = 3, O_CREAT = 0100, O_EXCL = 0200, O_TRUNC = 01000, O_APPEND = 02000, O_DIRECTORY = 0200000 };
enum { AT_FDCWD = -100, AT_EMPTY_PATH = 0x1000 };

struct file {
  enum kind kind;
  u32 mode, size;
  u32 users;       /* descriptions that are open */
  int linked;      /* has a name */
  const char *name; /* without the first slash; of a packed file in the archive */
  const u8 *data;  /* of a packed file */
  u8 ***pages;     /* of a created file: a page of pages of pages */
};

/* What open returns; descriptors share it after dup. */
struct description {
  struct file *file;
  u32 offset, flags, users;
};

static struct file files[FILES];
static u32 packed_count;
static struct description descriptions[DESCRIPTORS];
static struct description *descriptors[DESCRIPTORS];
static char created_names[DESCRIPTORS][NAME];
static struct file outputs[2], null_device = {.kind = NULL_DEVICE, .mode = S_IFCHR | 0666, .linked = 1},
                               zero_device = {.kind = ZERO_DEVICE, .mode = S_IFCHR | 0666, .linked = 1},
                               root = {.kind = DIRECTORY, .mode = S_IFDIR | 0755, .linked = 1};

/* The archive: Documentation/driver-api/early-userspace/buffer-format.rst. */
static u32 field(const u8 *header, u32 index) {
  u32 value = 0;
  for (const u8 *p = header + 6 + index * 8, *end = p + 8; p < end; p++)
    value = value << 4 | (u32)(*p <= '9' ? *p - '0' : (*p | 32) - 'a' + 10);
  return value;
}

void files_open(const u8 *archive, u32 size) {
  const u8 *end = archive + size, *at = archive;
  while (at + 110 <= end) {
    u32 name_size = field(at, 11), data_size = field(at, 6), mode = field(at, 1);
    const char *name = (const char *)at + 110;
    const u8 *data = (const u8 *)(((u32)name + name_size + 3) & ~3u);
    if (equal(name, "TRAILER!!!")) return;
    if (packed_count == FILES - DESCRIPTORS) fail("too many files", 0);
    struct file *file = &files[packed_count++];
    u32 type = mode & 0170000;
    file->kind = type == S_IFDIR ? DIRECTORY : type == S_IFREG ? PACKED : FREE;
    file->mode = mode;
    file->size = data_size;
    file->name = name;
    file->data = data;
    file->linked = 1;
    at = (const u8 *)(((u32)data + data_size + 3) & ~3u);
  }
}

/* A path without the first slash, without "." and ".."; 0 if it is too long. */
static int normalize(char *to, const char *directory, const char *path) {
  u32 length = 0;
  const char *parts[2] = {*path == '/' ? "" : directory, path};
  for (int i = 0; i < 2; i++)
    for (const char *p = parts[i]; *p;) {
      while (*p == '/') p++;
      const char *start = p;
      while (*p && *p != '/') p++;
      u32 size = (u32)(p - start);
      if (!size || (size == 1 && *start == '.')) continue;
      if (size == 2 && start[0] == '.' && start[1] == '.') {
        while (length && to[--length] != '/') {}
        continue;
      }
      if (length + size + 2 > NAME) return 0;
      if (length) to[length++] = '/';
      copy(to + length, start, size);
      length += size;
    }
  to[length] = 0;
  return 1;
}

static struct file *find(const char *name) {
  if (!*name) return &root;
  if (equal(name, "dev/null")) return &null_device;
  if (equal(name, "dev/zero")) return &zero_device;
  for (u32 i = 0; i < FILES; i++)
    if (files[i].kind && files[i].linked && equal(files[i].name, name)) return &files[i];
  return 0;
}

const struct file *find_packed(const char *path) {
  char name[NAME];
  struct file *file = normalize(name, "", path) ? find(name) : 0;
  return file && file->kind == PACKED ? file : 0;
}

const u8 *packed_data(const struct file *file, u32 *size) {
  *size = file->size;
  return file->data;
}

/* Contents of created files. */

static u8 *content_page(struct file *file, u32 index, int create) {
  if (!file->pages) {
    if (!create) return 0;
    file->pages = allocate_page();
  }
  u8 **pages = file->pages[index >> 10];
  if (!pages) {
    if (!create) return 0;
    pages = file->pages[index >> 10] = allocate_page();
  }
  if (!pages[index & 1023] && create) pages[index & 1023] = allocate_page();
  return pages[index & 1023];
}

static void truncate(struct file *file, u32 size) {
  for (u32 index = (size + PAGE - 1) / PAGE; file->pages && index < (file->size + PAGE - 1) / PAGE; index++) {
    u8 **pages = file->pages[index >> 10];
    if (!pages || !pages[index & 1023]) continue;
    free_page(pages[index & 1023]);
    pages[index & 1023] = 0;
  }
  u8 *last = size % PAGE ? content_page(file, size / PAGE, 0) : 0;
  if (last) clear(last + size % PAGE, PAGE - size % PAGE);
  file->size = size;
}

static void drop_contents(struct file *file) {
  truncate(file, 0);
  for (u32 i = 0; file->pages && i < 1024; i++)
    if (file->pages[i]) free_page(file->pages[i]);
  if (file->pages) free_page(file->pages);
  file->pages = 0;
}

static void release(struct file *file) {
  if (file->kind != CREATED || file->linked || file->users) return;
  drop_contents(file);
  file->kind = FREE;
}

u32 output_size(int number) { return outputs[number - 1].size; }

const u8 *output_page(int number, u32 index) {
  static const u8 zeros[PAGE];
  const u8 *page = content_page(&outputs[number - 1], index, 0);
  return page ? page : zeros;
}

/* Descriptors. */

static struct description *description_of(u32 descriptor) {
  return descriptor < DESCRIPTORS ? descriptors[descriptor] : 0;
}

static int lowest_free(u32 from) {
  for (u32 i = from; i < DESCRIPTORS; i++)
    if (!descriptors[i]) return (int)i;
  return -EMFILE;
}

static int open_file(struct file *file, u32 flags) {
  int descriptor = lowest_free(0);
  if (descriptor < 0) return descriptor;
  struct description *description = descriptions;
  while (description->users) description++;
  *description = (struct description){file, 0, flags, 1};
  file->users++;
  descriptors[descriptor] = description;
  return descriptor;
}

static int close_descriptor(u32 descriptor) {
  struct description *description = description_of(descriptor);
  if (!description) return -EBADF;
  descriptors[descriptor] = 0;
  if (--description->users == 0) {
    description->file->users--;
    release(description->file);
  }
  return 0;
}

void files_reset(const char *input) {
  for (u32 i = 0; i < DESCRIPTORS; i++) close_descriptor(i);
  for (u32 i = packed_count; i < FILES; i++) {
    files[i].linked = 0;
    release(&files[i]);
  }
  for (int i = 0; i < 2; i++) {
    drop_contents(&outputs[i]);
    outputs[i] = (struct file){.kind = CREATED, .mode = S_IFREG | 0600, .linked = 1, .name = ""};
  }
  char name[NAME];
  struct file *file = normalize(name, "", input) ? find(name) : 0;
  if (!file) fail("there is no such standard input: ", input);
  open_file(file, 0);
  open_file(&outputs[0], 2);
  open_file(&outputs[1], 2);
}

static int duplicate(u32 descriptor, int to) {
  struct description *description = description_of(descriptor);
  if (!description) return -EBADF;
  if (to < 0) return to;
  if ((u32)to >= DESCRIPTORS) return -EBADF;
  if ((u32)to == descriptor) return to;
  close_descriptor((u32)to);
  description->users++;
  descriptors[to] = description;
  return to;
}

/* Reading and writing. */

static int transfer_in(struct description *description, u32 offset, u32 to, u32 size) {
  struct file *file = description->file;
  if (file->kind == DIRECTORY) return -EISDIR;
  if (file->kind == NULL_DEVICE) return 0;
  if (file->kind != ZERO_DEVICE) {
    if (offset >= file->size) return 0;
    if (size > file->size - offset) size = file->size - offset;
  }
  if (!accessible(to, size, 1)) return -EFAULT;
  if (file->kind == PACKED) {
    copy((void *)to, file->data + offset, size);
    return (int)size;
  }
  for (u32 done = 0; done < size;) {
    u32 inside = (offset + done) % PAGE, part = PAGE - inside < size - done ? PAGE - inside : size - done;
    u8 *page = file->kind == CREATED ? content_page(file, (offset + done) / PAGE, 0) : 0;
    if (page)
      copy((void *)(to + done), page + inside, part);
    else
      clear((void *)(to + done), part);
    done += part;
  }
  return (int)size;
}

static int transfer_out(struct description *description, u32 offset, const u8 *from, u32 size) {
  struct file *file = description->file;
  if (file->kind == DIRECTORY || !(description->flags & O_ACCMODE)) return -EBADF;
  if (file->kind != CREATED) return (int)size;
  if (offset + size < offset) return -EFBIG;
  for (u32 done = 0; done < size;) {
    u32 inside = (offset + done) % PAGE, part = PAGE - inside < size - done ? PAGE - inside : size - done;
    copy(content_page(file, (offset + done) / PAGE, 1) + inside, from + done, part);
    done += part;
  }
  if (offset + size > file->size) file->size = offset + size;
  return (int)size;
}

static int read_at(u32 descriptor, u32 to, u32 size, const u32 *at) {
  struct description *description = description_of(descriptor);
  if (!description || (description->flags & O_ACCMODE) == 1) return -EBADF;
  int count = transfer_in(description, at ? *at : description->offset, to, size);
  if (count > 0 && !at) description->offset += (u32)count;
  return count;
}

int read_file(u32 descriptor, u32 offset, u32 to, u32 size) { return read_at(descriptor, to, size, &offset); }

static int write_at(u32 descriptor, const u8 *from, u32 size, const u32 *at) {
  struct description *description = description_of(descriptor);
  if (!description) return -EBADF;
  if (description->flags & O_APPEND && !at) description->offset = description->file->size;
  int count = transfer_out(description, at ? *at : description->offset, from, size);
  if (count > 0 && !at) description->offset += (u32)count;
  return count;
}

static int write_user(u32 descriptor, u32 from, u32 size, const u32 *at) {
  if (!accessible(from, size, 0)) return -EFAULT;
  return write_at(descriptor, (const u8 *)from, size, at);
}

static int vectored(u32 descriptor, u32 vectors, u32 count, int writes) {
  if (count > 1024) return -EINVAL;
  if (!accessible(vectors, count * 8, 0)) return -EFAULT;
  int total = 0;
  for (u32 i = 0; i < count; i++) {
    u32 address = ((u32 *)vectors)[i * 2], size = ((u32 *)vectors)[i * 2 + 1];
    int n = writes ? write_user(descriptor, address, size, 0) : read_at(descriptor, address, size, 0);
    if (n < 0) return total ? total : n;
    total += n;
    if ((u32)n < size) break;
  }
  return total;
}

static int send_file(u32 to, u32 from, u32 offset_address, int wide, u32 size) {
  struct description *source = description_of(from);
  if (!source || !description_of(to)) return -EBADF;
  if (source->file->kind != PACKED) return -EINVAL;
  if (offset_address && !accessible(offset_address, wide ? 8 : 4, 1)) return -EFAULT;
  u32 *offset = offset_address ? (u32 *)offset_address : &source->offset;
  if (*offset >= source->file->size) return 0;
  if (size > source->file->size - *offset) size = source->file->size - *offset;
  int count = write_at(to, source->file->data + *offset, size, 0);
  if (count > 0) *offset += (u32)count;
  return count;
}

/* Paths. */

/* 0, or the error; `name` is what the path means. */
static int path_at(u32 directory, u32 address, char *name) {
  char path[NAME];
  for (u32 i = 0;; i++) {
    if (i == NAME) return -ENOENT;
    if (!accessible(address + i, 1, 0)) return -EFAULT;
    path[i] = *(const char *)(address + i);
    if (!path[i]) break;
  }
  if (!path[0]) return -ENOENT;
  const char *base = working_directory;
  if (path[0] != '/' && (int)directory != AT_FDCWD) {
    struct description *description = description_of(directory);
    if (!description) return -EBADF;
    if (description->file->kind != DIRECTORY) return -ENOTDIR;
    base = description->file->name ? description->file->name : "";
  }
  return normalize(name, base, path) ? 0 : -ENOENT;
}

static int open_path(u32 number, u32 directory, u32 path, u32 flags, u32 mode) {
  char name[NAME];
  int error = path_at(directory, path, name);
  if (error) return error;
  struct file *file = find(name);
  int writes = (flags & O_ACCMODE) != 0 || (flags & O_TRUNC);
  if (file && flags & O_CREAT && flags & O_EXCL) return -EEXIST;
  if (!file) {
    if (!(flags & O_CREAT)) return -ENOENT;
    u32 i = packed_count;
    while (i < FILES && files[i].kind) i++;
    if (i == FILES || i - packed_count >= DESCRIPTORS) return -ENFILE;
    copy(created_names[i - packed_count], name, length_of(name) + 1);
    files[i] = (struct file){
        .kind = CREATED, .mode = S_IFREG | (mode & 0777), .linked = 1, .name = created_names[i - packed_count]};
    file = &files[i];
  }
  if (file->kind == DIRECTORY && writes) return -EISDIR;
  if (file->kind != DIRECTORY && flags & O_DIRECTORY) return -ENOTDIR;
  if (file->kind == PACKED && writes) fail_call(number, "of a packed file for writing");
  if (file->kind == CREATED && flags & O_TRUNC) truncate(file, 0);
  return open_file(file, flags);
}

static int unlink_path(u32 number, u32 directory, u32 path) {
  char name[NAME];
  int error = path_at(directory, path, name);
  if (error) return error;
  struct file *file = find(name);
  if (!file) return -ENOENT;
  if (file->kind != CREATED) fail_call(number, "of a packed file");
  file->linked = 0;
  release(file);
  return 0;
}

/* Status, in the layout of `struct stat64` (arch/x86/include/uapi/asm/stat.h). */
static int put_status(const struct file *file, u32 address) {
  if (!accessible(address, 96, 1)) return -EFAULT;
  u32 *to = (u32 *)address;
  clear(to, 96);
  u32 number = file >= files && file < files + FILES ? (u32)(file - files) + 16 : 2;
  to[0] = 1;
  to[3] = number;
  to[4] = file->mode;
  to[5] = 1;
  to[11] = file->size;
  to[13] = PAGE;
  to[14] = (file->size + 511) / 512;
  to[22] = number;
  return 0;
}

static int status_at(u32 directory, u32 path, u32 address, u32 flags) {
  if (flags & AT_EMPTY_PATH && accessible(path, 1, 0) && !*(const char *)path) {
    struct description *description = description_of(directory);
    return description ? put_status(description->file, address) : -EBADF;
  }
  char name[NAME];
  int error = path_at(directory, path, name);
  if (error) return error;
  struct file *file = find(name);
  return file ? put_status(file, address) : -ENOENT;
}

static int access_path(u32 directory, u32 path, u32 mode) {
  char name[NAME];
  int error = path_at(directory, path, name);
  if (error) return error;
  struct file *file = find(name);
  if (!file) return -ENOENT;
  return mode & 1 && !(file->mode & 0111) ? -EACCES : 0;
}

static int read_link(u32 directory, u32 path, u32 to, u32 size) {
  char name[NAME];
  int error = path_at(directory, path, name);
  if (error) return error;
  if (!equal(name, "proc/self/exe")) return find(name) ? -EINVAL : -ENOENT;
  const char *target = argument_words[0];
  u32 length = length_of(target);
  if (length > size) length = size;
  if (!accessible(to, length, 1)) return -EFAULT;
  copy((void *)to, target, length);
  return (int)length;
}

static int seek(u32 descriptor, int offset, u32 from) {
  struct description *description = description_of(descriptor);
  if (!description) return -EBADF;
  u32 base = from == 0 ? 0 : from == 1 ? description->offset : description->file->size;
  if (from > 2 || (offset < 0 && base < (u32)-offset)) return -EINVAL;
  return (int)(description->offset = base + (u32)offset);
}

static int control(u32 number, u32 descriptor, u32 command, u32 argument) {
  enum { F_DUPFD = 0, F_GETFD = 1, F_SETFD = 2, F_GETFL = 3, F_SETFL = 4, F_DUPFD_CLOEXEC = 1030 };
  struct description *description = description_of(descriptor);
  if (!description) return -EBADF;
  switch (command) {
  case F_DUPFD:
  case F_DUPFD_CLOEXEC: return argument < DESCRIPTORS ? duplicate(descriptor, lowest_free(argument)) : -EINVAL;
  case F_GETFD:
  case F_SETFD: return 0;
  case F_GETFL: return (int)(description->flags & ~(u32)(O_CREAT | O_EXCL | O_TRUNC));
  case F_SETFL: description->flags = (description->flags & O_ACCMODE) | (argument & ~(u32)O_ACCMODE); return 0;
  default: fail_call(number, "with a command other than F_DUPFD, F_GETFD, F_SETFD, F_GETFL and F_SETFL");
  }
}

int file_call(u32 number, const u32 *a, int *handled) {
  struct description *description;
  *handled = 1;
  switch (number) {
  case 3: return read_at(a[0], a[1], a[2], 0);
  case 4: return write_user(a[0], a[1], a[2], 0);
  case 5: return open_path(number, (u32)AT_FDCWD, a[0], a[1], a[2]);
  case 6: return close_descriptor(a[0]);
  case 8: return open_path(number, (u32)AT_FDCWD, a[0], O_CREAT | O_TRUNC | 1, a[1]);
  case 10: return unlink_path(number, (u32)AT_FDCWD, a[0]);
  case 19: return seek(a[0], (int)a[1], a[2]);
  case 33: return access_path((u32)AT_FDCWD, a[0], a[1]);
  case 41: return description_of(a[0]) ? duplicate(a[0], lowest_free(0)) : -EBADF;
  case 54: return description_of(a[0]) ? -ENOTTY : -EBADF;
  case 55:
  case 221: return control(number, a[0], a[1], a[2]);
  case 63:
  case 330: return duplicate(a[0], (int)(a[1] & 0x7FFFFFFF));
  case 85: return read_link((u32)AT_FDCWD, a[0], a[1], a[2]);
  case 93: /* ftruncate */
  case 194:
    description = description_of(a[0]);
    if (!description) return -EBADF;
    if (description->file->kind != CREATED || (number == 194 && a[2])) return -EINVAL;
    truncate(description->file, a[1]);
    return 0;
  case 118: /* fsync, fdatasync, fadvise64, fadvise64_64 */
  case 148:
  case 250:
  case 272: return description_of(a[0]) ? 0 : -EBADF;
  case 140: { /* _llseek */
    int result = seek(a[0], (int)a[2], a[4]);
    if (result < 0 && result > -4096) return result;
    if (!accessible(a[3], 8, 1)) return -EFAULT;
    ((u32 *)a[3])[0] = (u32)result;
    ((u32 *)a[3])[1] = 0;
    return 0;
  }
  case 145: return vectored(a[0], a[1], a[2], 0);
  case 146: return vectored(a[0], a[1], a[2], 1);
  case 180: return a[4] ? -EINVAL : read_at(a[0], a[1], a[2], &a[3]);
  case 181: return a[4] ? -EINVAL : write_user(a[0], a[1], a[2], &a[3]);
  case 187:
  case 239: return send_file(a[0], a[1], a[2], number == 239, a[3]);
  case 195:
  case 196: return status_at((u32)AT_FDCWD, a[0], a[1], 0);
  case 197:
    description = description_of(a[0]);
    return description ? put_status(description->file, a[1]) : -EBADF;
  case 295: return open_path(number, a[0], a[1], a[2], a[3]);
  case 300: return status_at(a[0], a[1], a[2], a[3]);
  case 301: return a[2] ? (fail_call(number, "of a directory"), 0) : unlink_path(number, a[0], a[1]);
  case 305: return read_link(a[0], a[1], a[2], a[3]);
  case 307:
  case 439: return access_path(a[0], a[1], a[2]);
  default: *handled = 0; return 0;
  }
}
