/* A driver's library for machines without one: NVML's own symbols and structures, so that nvidia-ml-py and all above it
 * are real. Two GPUs. GPU 0 draws 300 W and counts its energy; GPU 1 draws 200 W and has no counter.
 * As of a driver before 535 there is no nvmlDeviceGetCurrentClocksEventReasons. Variables change it, at any time; a
 * list has blanks between its words, and numbers GPUs from 0:
 *   NVML_STUB_REASONS     the mask of what throttles GPU 1
 *   NVML_STUB_PIDS        the processes on GPU 0; NVML_STUB_MPS_PIDS: those that MPS serves there
 *   NVML_STUB_COUNT       how many GPUs there are, up to four
 *   NVML_STUB_NAME<i>, NVML_STUB_CAPABILITY<i> (75 is 7.5), NVML_STUB_MIB<i>, NVML_STUB_WATTS<i>: of GPU i; the
 *                         power limit is 700 W without a setting
 *   NVML_STUB_ECC_OFF, NVML_STUB_NOT_PERSISTENT   GPUs without ECC, and without persistence mode
 *   NVML_STUB_DOWN        the library cannot be opened
 *   NVML_STUB_LOST        GPUs that are lost, to every question; NVML_STUB_LOST_OPEN: that still give a handle
 *   NVML_STUB_FORBIDDEN   GPUs that this process may not use
 *   NVML_STUB_REFUSES     questions that no GPU supports; "slice:" before one: that slices do not support
 *   NVML_STUB_MIG         GPUs with MIG on, with NVML_STUB_SLICES (2) slices at every second place, each of three
 *                         slices of memory and NVML_STUB_COMPUTE_SLICES (3) of computing
 *   NVML_STUB_APPLICATION, NVML_STUB_LOCKED   SM clock in MHz that was set, and to which GPU 0 was locked
 *   NVML_STUB_LOG         a file that gets a line for each question: its name, and the GPU
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
  SUCCESS = 0, NOT_SUPPORTED = 3, NO_PERMISSION = 4, NOT_FOUND = 6, INSUFFICIENT_SIZE = 7, GPU_IS_LOST = 15,
  VERSION_MISMATCH = 18
};
enum { CARDS = 4, PLACES = 7, SM = 1, TARGET = 1 };
typedef long Device; /* 1 + index of the card, and 100 for each place of a slice, counted from 1 */
typedef unsigned long long Big;
typedef struct { Big total, free, used; } Memory;
typedef struct { unsigned pid; Big used; unsigned gpu_instance, compute_instance; } Process;
typedef struct { unsigned sms, copy, decoders, encoders, jpeg, ofa, gpu_slices, compute_slices; Big mib; } Attributes;

static const char *const UUIDS[CARDS] = {"GPU-zero", "GPU-one", "GPU-two", "GPU-three"};

static long card(Device device) { return (device - 1) % 100; }
static long place(Device device) { return (device - 1) / 100; } /* 0: the card itself */

static const char *told(const char *name, long index) {
  char whole[64];
  snprintf(whole, sizeof whole, index < 0 ? "%s" : "%s%ld", name, index);
  const char *value = getenv(whole);
  return value && *value ? value : NULL;
}
static unsigned number(const char *name, long index, unsigned otherwise) {
  const char *value = told(name, index);
  return value ? strtoul(value, NULL, 0) : otherwise;
}
static int listed(const char *name, const char *word) {
  const char *value = told(name, -1);
  char all[4096], one[128];
  snprintf(all, sizeof all, " %s ", value ? value : "");
  snprintf(one, sizeof one, " %s ", word);
  return strstr(all, one) != NULL;
}
static int is_one_of(const char *name, long index) {
  char word[16];
  snprintf(word, sizeof word, "%ld", index);
  return listed(name, word);
}
/* Whether a question is answered at all. */
static int refused(Device device, const char *question) {
  const char *log = told("NVML_STUB_LOG", -1);
  char of_slice[128];
  if (log) {
    FILE *file = fopen(log, "a");
    fprintf(file, "%s %ld\n", question, card(device));
    fclose(file);
  }
  snprintf(of_slice, sizeof of_slice, "slice:%s", question);
  if (is_one_of("NVML_STUB_LOST", card(device)) || is_one_of("NVML_STUB_LOST_OPEN", card(device))) return GPU_IS_LOST;
  return listed("NVML_STUB_REFUSES", question) || (place(device) && listed("NVML_STUB_REFUSES", of_slice)) ? NOT_SUPPORTED : 0;
}
#define ASKED(device) do { int code = refused(device, __func__); if (code) return code; } while (0)

int nvmlInitWithFlags(unsigned flags) { (void)flags; return told("NVML_STUB_DOWN", -1) ? VERSION_MISMATCH : SUCCESS; }
int nvmlShutdown(void) { return SUCCESS; }
const char *nvmlErrorString(int code) { return code == NOT_SUPPORTED ? "Not Supported" : "error"; }
int nvmlSystemGetDriverVersion(char *text, unsigned size) {
  if (listed("NVML_STUB_REFUSES", __func__)) return NOT_SUPPORTED;
  return snprintf(text, size, "525.60") < 0;
}
int nvmlDeviceGetCount_v2(unsigned *count) {
  *count = number("NVML_STUB_COUNT", -1, 2);
  return listed("NVML_STUB_REFUSES", __func__) ? NOT_SUPPORTED : SUCCESS;
}
int nvmlDeviceGetHandleByIndex_v2(unsigned index, Device *device) {
  *device = index + 1;
  if (is_one_of("NVML_STUB_FORBIDDEN", index)) return NO_PERMISSION;
  return is_one_of("NVML_STUB_LOST", index) ? GPU_IS_LOST : SUCCESS;
}
int nvmlDeviceGetHandleByUUID(const char *uuid, Device *device) {
  for (unsigned i = 0; i < number("NVML_STUB_COUNT", -1, 2); i++)
    if (!strcmp(uuid, UUIDS[i])) return nvmlDeviceGetHandleByIndex_v2(i, device);
  return NOT_FOUND;
}
int nvmlDeviceGetUUID(Device device, char *text, unsigned size) {
  ASKED(device);
  if (place(device)) return snprintf(text, size, "MIG-%ld%ld-slice", card(device), place(device)) < 0;
  return snprintf(text, size, "%s", UUIDS[card(device)]) < 0;
}
int nvmlDeviceGetName(Device device, char *text, unsigned size) {
  ASKED(device);
  const char *name = told("NVML_STUB_NAME", card(device));
  return snprintf(text, size, place(device) ? "%s MIG 3g.40gb" : "%s", name ? name : "Stub") < 0;
}
int nvmlDeviceGetCudaComputeCapability(Device device, int *major, int *minor) {
  ASKED(device);
  unsigned both = number("NVML_STUB_CAPABILITY", card(device), 90);
  *major = both / 10;
  *minor = both % 10;
  return SUCCESS;
}
int nvmlDeviceGetMemoryInfo(Device device, Memory *memory) {
  ASKED(device);
  memory->total = (Big)(place(device) ? 40192 : number("NVML_STUB_MIB", card(device), 1024)) << 20;
  memory->used = 1000 * (card(device) + 1) + place(device);
  return SUCCESS;
}
int nvmlDeviceGetMaxClockInfo(Device device, int type, unsigned *mhz) { ASKED(device); *mhz = type == SM ? 1980 : 2619; return SUCCESS; }
int nvmlDeviceGetClockInfo(Device device, int type, unsigned *mhz) { ASKED(device); *mhz = type == SM ? 1980 : 2619; return SUCCESS; }
int nvmlDeviceGetDefaultApplicationsClock(Device device, int type, unsigned *mhz) { ASKED(device); *mhz = type == SM ? 1410 : 1593; return SUCCESS; }
int nvmlDeviceGetApplicationsClock(Device device, int type, unsigned *mhz) {
  ASKED(device);
  *mhz = type == SM ? number("NVML_STUB_APPLICATION", -1, 1410) : 1593;
  return SUCCESS;
}
int nvmlDeviceGetClock(Device device, int type, int which, unsigned *mhz) {
  ASKED(device);
  if (which != TARGET) return NOT_SUPPORTED;
  *mhz = type != SM ? 1593 : card(device) == 0 ? number("NVML_STUB_LOCKED", -1, 1410) : 1410;
  return SUCCESS;
}
int nvmlDeviceGetEnforcedPowerLimit(Device device, unsigned *milliwatts) {
  ASKED(device);
  *milliwatts = 1000 * number("NVML_STUB_WATTS", card(device), 700);
  return SUCCESS;
}
int nvmlDeviceGetPowerManagementDefaultLimit(Device device, unsigned *milliwatts) { ASKED(device); *milliwatts = 700000; return SUCCESS; }
int nvmlDeviceGetEccMode(Device device, unsigned *current, unsigned *pending) {
  ASKED(device);
  *current = *pending = !is_one_of("NVML_STUB_ECC_OFF", card(device));
  return SUCCESS;
}
int nvmlDeviceGetPersistenceMode(Device device, unsigned *mode) {
  ASKED(device);
  *mode = !is_one_of("NVML_STUB_NOT_PERSISTENT", card(device));
  return SUCCESS;
}
int nvmlDeviceGetTemperature(Device device, int sensor, unsigned *celsius) { ASKED(device); (void)sensor; *celsius = 61 + card(device); return SUCCESS; }
int nvmlDeviceGetPowerUsage(Device device, unsigned *milliwatts) { ASKED(device); *milliwatts = card(device) == 0 ? 300000 : 200000; return SUCCESS; }
int nvmlDeviceGetTotalEnergyConsumption(Device device, Big *millijoules) {
  struct timespec now;
  ASKED(device);
  if (card(device) != 0) return NOT_SUPPORTED;
  clock_gettime(CLOCK_MONOTONIC, &now);
  *millijoules = (Big)(300000 * (now.tv_sec + now.tv_nsec * 1e-9));
  return SUCCESS;
}
int nvmlDeviceGetCurrentClocksThrottleReasons(Device device, Big *mask) {
  ASKED(device);
  *mask = card(device) == 1 ? number("NVML_STUB_REASONS", -1, 0) : 0;
  return SUCCESS;
}
static int processes_of(Device device, const char *name, unsigned *count, Process *processes) {
  const char *rest = told(name, -1);
  unsigned room = *count, found = 0;
  char *end;
  for (long pid; card(device) == 0 && rest && (pid = strtol(rest, &end, 10)) > 0; rest = end, found++)
    if (found < room) processes[found] = (Process){.pid = pid, .used = 1000};
  *count = found;
  return found > room ? INSUFFICIENT_SIZE : SUCCESS;
}
int nvmlDeviceGetComputeRunningProcesses_v3(Device device, unsigned *count, Process *processes) {
  ASKED(device);
  return processes_of(device, "NVML_STUB_PIDS", count, processes);
}
int nvmlDeviceGetMPSComputeRunningProcesses_v3(Device device, unsigned *count, Process *processes) {
  ASKED(device);
  return processes_of(device, "NVML_STUB_MPS_PIDS", count, processes);
}
int nvmlDeviceGetMigMode(Device device, unsigned *current, unsigned *pending) {
  ASKED(device);
  *current = *pending = is_one_of("NVML_STUB_MIG", card(device));
  return SUCCESS;
}
int nvmlDeviceGetMaxMigDeviceCount(Device device, unsigned *count) { ASKED(device); *count = PLACES; return SUCCESS; }
int nvmlDeviceGetMigDeviceHandleByIndex(Device device, unsigned index, Device *slice) {
  ASKED(device);
  if (index % 2 == 0 || index / 2 >= number("NVML_STUB_SLICES", -1, 2)) return NOT_FOUND;
  *slice = device + 100 * (index + 1);
  return SUCCESS;
}
int nvmlDeviceGetGpuInstanceId(Device device, unsigned *id) { ASKED(device); *id = place(device); return SUCCESS; }
int nvmlDeviceGetComputeInstanceId(Device device, unsigned *id) { ASKED(device); *id = 0; return SUCCESS; }
int nvmlDeviceGetAttributes_v2(Device device, Attributes *found) {
  ASKED(device);
  *found = (Attributes){.gpu_slices = 3, .compute_slices = number("NVML_STUB_COMPUTE_SLICES", -1, 3), .mib = 40192};
  return SUCCESS;
}
