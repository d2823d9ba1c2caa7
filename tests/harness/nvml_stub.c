/* A driver's library for machines without one: NVML's own symbols and structures, so that nvidia-ml-py and all above it
 * are real. Two GPUs. GPU 0 draws 300 W and counts its energy; GPU 1 draws 200 W and has no counter.
 * NVML_STUB_REASONS is the mask of what throttles GPU 1, NVML_STUB_PIDS the processes on GPU 0, with blanks between.
 * As of a driver before 535 there is no nvmlDeviceGetCurrentClocksEventReasons. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { SUCCESS = 0, NOT_SUPPORTED = 3, NOT_FOUND = 6, INSUFFICIENT_SIZE = 7 };
typedef long Device; /* index + 1 */
typedef unsigned long long Big;
typedef struct { Big total, free, used; } Memory;
typedef struct { unsigned pid; Big used; unsigned gpu_instance, compute_instance; } Process;

static const char *const UUIDS[] = {"GPU-zero", "GPU-one"};

int nvmlInitWithFlags(unsigned flags) { (void)flags; return SUCCESS; }
int nvmlShutdown(void) { return SUCCESS; }
const char *nvmlErrorString(int code) { return code == NOT_SUPPORTED ? "Not Supported" : "error"; }
int nvmlSystemGetDriverVersion(char *text, unsigned size) { return snprintf(text, size, "525.60") < 0; }
int nvmlDeviceGetCount_v2(unsigned *count) { *count = 2; return SUCCESS; }
int nvmlDeviceGetHandleByIndex_v2(unsigned index, Device *device) { *device = index + 1; return SUCCESS; }
int nvmlDeviceGetHandleByUUID(const char *uuid, Device *device) {
  for (int i = 0; i < 2; i++)
    if (!strcmp(uuid, UUIDS[i])) { *device = i + 1; return SUCCESS; }
  return NOT_FOUND;
}
int nvmlDeviceGetUUID(Device device, char *text, unsigned size) { return snprintf(text, size, "%s", UUIDS[device - 1]) < 0; }
int nvmlDeviceGetName(Device device, char *text, unsigned size) { (void)device; return snprintf(text, size, "Stub") < 0; }
int nvmlDeviceGetCudaComputeCapability(Device device, int *major, int *minor) { (void)device; *major = 9; *minor = 0; return SUCCESS; }
int nvmlDeviceGetMemoryInfo(Device device, Memory *memory) { memory->total = 1 << 30; memory->used = 1000 * device; return SUCCESS; }
int nvmlDeviceGetClockInfo(Device device, int type, unsigned *mhz) { (void)device; *mhz = type == 1 ? 1980 : 2619; return SUCCESS; }
int nvmlDeviceGetTemperature(Device device, int sensor, unsigned *celsius) { (void)sensor; *celsius = 60 + device; return SUCCESS; }
int nvmlDeviceGetPowerUsage(Device device, unsigned *milliwatts) { *milliwatts = device == 1 ? 300000 : 200000; return SUCCESS; }
int nvmlDeviceGetTotalEnergyConsumption(Device device, Big *millijoules) {
  struct timespec now;
  if (device != 1) return NOT_SUPPORTED;
  clock_gettime(CLOCK_MONOTONIC, &now);
  *millijoules = (Big)(300000 * (now.tv_sec + now.tv_nsec * 1e-9));
  return SUCCESS;
}
int nvmlDeviceGetCurrentClocksThrottleReasons(Device device, Big *mask) {
  const char *told = getenv("NVML_STUB_REASONS");
  *mask = device == 2 && told ? strtoull(told, NULL, 0) : 0;
  return SUCCESS;
}
int nvmlDeviceGetComputeRunningProcesses_v3(Device device, unsigned *count, Process *processes) {
  const char *rest = getenv("NVML_STUB_PIDS");
  unsigned room = *count, found = 0;
  char *end;
  for (long pid; device == 1 && rest && (pid = strtol(rest, &end, 10)) > 0; rest = end, found++)
    if (found < room) processes[found] = (Process){.pid = pid, .used = 1000};
  *count = found;
  return found > room ? INSUFFICIENT_SIZE : SUCCESS;
}
