// What is in libknul.so and not in the archives that it is made of.

struct ZSTD_CCtx_s;
struct ZSTD_DCtx_s;
struct ZSTD_Trace;

// Zstandard calls these where a process has them, so the loader would bind ours to the host's. 0: it shall
// not trace.
extern "C" {
unsigned long long ZSTD_trace_compress_begin(const ZSTD_CCtx_s* /*context*/) { return 0; }
unsigned long long ZSTD_trace_decompress_begin(const ZSTD_DCtx_s* /*context*/) { return 0; }
void ZSTD_trace_compress_end(unsigned long long /*trace*/, const ZSTD_Trace* /*result*/) {}
void ZSTD_trace_decompress_end(unsigned long long /*trace*/, const ZSTD_Trace* /*result*/) {}
}
