// cuDNN's backend as far as attention uses it, on the made-up GPU: refuses what the real one refuses, attends plainly when its
// stream gets to it, and can be ordered to fail: fake_cudnn("create=1001"), "version=91300", "plans=0" (how many of three engines compile, the last
// ones), "execute=5000", "zeros=1" (success, and nothing written but zeros), "base=2" (row statistics to the wrong base), or
// "" for none.
#include <cmath>
#include <cstdlib>
#include <map>
#include <string>
#include <vector>

#include "test/fake_cuda/stream.h"
#include "test/orders.h"
#include "test/stored_values.h"

extern "C" {
#include "bindings/cudnn.h"
}

namespace {

constexpr auto OK = CUDNN_STATUS_SUCCESS;
constexpr auto BAD = cudnnStatus_t(2000);  // CUDNN_STATUS_BAD_PARAM
constexpr auto NOT_SUPPORTED = cudnnStatus_t(3000);
constexpr int ENGINES = 3, WORKSPACE = 256;

std::string message;
int executed = 0, alive = 0;
cudaStream_t current = nullptr;

cudnnStatus_t refused(cudnnStatus_t status, const char* why) {
  message = why;
  return status;
}

struct Descriptor {
  cudnnBackendDescriptorType_t type;
  bool finalized = false;
  int engine = 0;  // of an engine configuration
  std::map<int, std::vector<char>> attributes = {};

  bool has(int attribute) const { return attributes.count(attribute) != 0; }
  template <class T>
  const T* get(int attribute) const {
    return reinterpret_cast<const T*>(attributes.at(attribute).data());
  }
  const Descriptor& child(int attribute) const { return **get<Descriptor*>(attribute); }
  const int64_t* dims() const { return get<int64_t>(CUDNN_ATTR_TENSOR_DIMENSIONS); }
  const int64_t* strides() const { return get<int64_t>(CUDNN_ATTR_TENSOR_STRIDES); }
  int64_t uid() const { return *get<int64_t>(CUDNN_ATTR_TENSOR_UNIQUE_ID); }
  int data_type() const { return *get<int>(CUDNN_ATTR_TENSOR_DATA_TYPE); }
  bool by_value() const { return has(CUDNN_ATTR_TENSOR_IS_BY_VALUE); }
};

size_t size_of(cudnnBackendAttributeType_t type) {
  switch (type) {
    case CUDNN_TYPE_BOOLEAN: return 1;
    case CUDNN_TYPE_DATA_TYPE:
    case CUDNN_TYPE_HEUR_MODE:
    case CUDNN_TYPE_POINTWISE_MODE: return 4;
    default: return 8;
  }
}

bool is(const Descriptor& tensor, std::vector<int64_t> dims) {
  return memcmp(tensor.dims(), dims.data(), 4 * sizeof(int64_t)) == 0;
}

cudnnStatus_t check_length(const Descriptor& op, int attribute) {
  const Descriptor& length = op.child(attribute);
  if (length.by_value() || length.data_type() != CUDNN_DATA_INT32) {
    return refused(NOT_SUPPORTED, "a sequence length is not i32 in device memory");
  }
  return OK;
}

cudnnStatus_t check_attention(const Descriptor& op) {
  for (int a : {CUDNN_ATTR_OPERATION_SDPA_FWD_QDESC, CUDNN_ATTR_OPERATION_SDPA_FWD_KDESC,
                CUDNN_ATTR_OPERATION_SDPA_FWD_VDESC, CUDNN_ATTR_OPERATION_SDPA_FWD_ODESC}) {
    if (!op.has(a)) return refused(BAD, "q, k, v or o is not set");
    int type = op.child(a).data_type();
    if (type != CUDNN_DATA_HALF && type != CUDNN_DATA_BFLOAT16) return refused(NOT_SUPPORTED, "not f16 or bf16");
  }
  const Descriptor &q = op.child(CUDNN_ATTR_OPERATION_SDPA_FWD_QDESC), &k = op.child(CUDNN_ATTR_OPERATION_SDPA_FWD_KDESC);
  const int64_t *qd = q.dims(), *kd = k.dims();
  if (!is(op.child(CUDNN_ATTR_OPERATION_SDPA_FWD_ODESC), {qd[0], qd[1], qd[2], qd[3]}) ||
      !is(op.child(CUDNN_ATTR_OPERATION_SDPA_FWD_VDESC), {kd[0], kd[1], kd[2], kd[3]}) || qd[3] != kd[3] ||
      qd[1] % kd[1] != 0) {
    return refused(BAD, "shapes do not fit");
  }
  if (op.has(CUDNN_ATTR_OPERATION_SDPA_FWD_STATSDESC)) {
    const Descriptor& stats = op.child(CUDNN_ATTR_OPERATION_SDPA_FWD_STATSDESC);
    if (!is(stats, {qd[0], qd[1], qd[2], 1}) || stats.data_type() != CUDNN_DATA_FLOAT) return refused(BAD, "statistics");
  }
  if (op.has(CUDNN_ATTR_OPERATION_SDPA_FWD_SEQ_LEN_QDESC) != op.has(CUDNN_ATTR_OPERATION_SDPA_FWD_SEQ_LEN_KVDESC)) {
    return refused(BAD, "one length without the other");
  }
  if (op.has(CUDNN_ATTR_OPERATION_SDPA_FWD_SEQ_LEN_QDESC)) {
    if (auto s = check_length(op, CUDNN_ATTR_OPERATION_SDPA_FWD_SEQ_LEN_QDESC)) return s;
    if (auto s = check_length(op, CUDNN_ATTR_OPERATION_SDPA_FWD_SEQ_LEN_KVDESC)) return s;
  }
  if (op.has(CUDNN_ATTR_OPERATION_SDPA_FWD_SUBGRAPH)) {
    const Descriptor& mask = op.child(CUDNN_ATTR_OPERATION_SDPA_FWD_SUBGRAPH).child(CUDNN_ATTR_OPERATIONGRAPH_OPS);
    bool fits = mask.type == CUDNN_BACKEND_OPERATION_DIAGONAL_BAND_MASK_DESCRIPTOR &&
                mask.child(CUDNN_ATTR_OPERATION_DIAGONAL_BAND_MASK_XDESC).uid() ==
                    *op.get<int64_t>(CUDNN_ATTR_OPERATION_SDPA_FWD_SUBGRAPH_INPUT_UID) &&
                mask.child(CUDNN_ATTR_OPERATION_DIAGONAL_BAND_MASK_YDESC).uid() ==
                    *op.get<int64_t>(CUDNN_ATTR_OPERATION_SDPA_FWD_SUBGRAPH_OUTPUT_UID);
    if (!fits) return refused(BAD, "the subgraph does not read and write the scores");
  }
  return OK;
}

cudnnStatus_t check_mask(const Descriptor& mask) {
  bool whole = mask.has(CUDNN_ATTR_OPERATION_DIAGONAL_BAND_MASK_XDESC) &&
               mask.has(CUDNN_ATTR_OPERATION_DIAGONAL_BAND_MASK_BDESC) &&
               mask.has(CUDNN_ATTR_OPERATION_DIAGONAL_BAND_MASK_YDESC) &&
               mask.has(CUDNN_ATTR_OPERATION_DIAGONAL_BAND_MASK_COMPARISON_MODE);
  for (int a : {CUDNN_ATTR_OPERATION_DIAGONAL_BAND_MASK_XDESC, CUDNN_ATTR_OPERATION_DIAGONAL_BAND_MASK_YDESC}) {
    whole = whole && mask.child(a).has(CUDNN_ATTR_TENSOR_IS_VIRTUAL);
  }
  return whole ? OK : refused(BAD, "the mask is not whole");
}

// ---- attention itself ----

struct Pack {
  Descriptor pack;
  void* at(const Descriptor& tensor) const {
    auto& uids = pack.attributes.at(CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS);
    for (size_t i = 0; i < uids.size() / 8; i++) {
      if (pack.get<int64_t>(CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS)[i] == tensor.uid()) {
        return pack.get<void*>(CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS)[i];
      }
    }
    return nullptr;
  }
};

Stored stored(const Descriptor& tensor) { return tensor.data_type() == CUDNN_DATA_HALF ? Stored::F16 : Stored::BF16; }

void compute(const Descriptor& op, const Pack& pack, const Descriptor& q, const Descriptor& k, const Descriptor& v,
             const Descriptor& o, float scale, bool causal, bool from_the_end, bool zeros, bool base2) {
  int64_t heads = q.dims()[1], rows = q.dims()[2], d = q.dims()[3], group = heads / k.dims()[1];
  int64_t queries = rows, keys = k.dims()[2];
  if (op.has(CUDNN_ATTR_OPERATION_SDPA_FWD_SEQ_LEN_QDESC)) {
    queries = *static_cast<int32_t*>(pack.at(op.child(CUDNN_ATTR_OPERATION_SDPA_FWD_SEQ_LEN_QDESC)));
    keys = *static_cast<int32_t*>(pack.at(op.child(CUDNN_ATTR_OPERATION_SDPA_FWD_SEQ_LEN_KVDESC)));
  }
  int64_t shift = from_the_end ? keys - queries : 0;
  std::vector<double> p(static_cast<size_t>(keys));
  for (int64_t h = 0; h < heads; h++) {
    for (int64_t t = 0; t < queries; t++) {
      double sum = 0;
      for (int64_t j = 0; j < keys; j++) {
        double s = 0;
        for (int64_t c = 0; c < d; c++) {
          s += double(read(pack.at(q), stored(q), h * q.strides()[1] + t * q.strides()[2] + c)) *
               read(pack.at(k), stored(k), h / group * k.strides()[1] + j * k.strides()[2] + c);
        }
        p[j] = causal && j > t + shift ? 0 : exp(s * scale);
        sum += p[j];
      }
      for (int64_t c = 0; c < d; c++) {
        double value = 0;
        for (int64_t j = 0; j < keys; j++) {
          value += p[j] / sum * read(pack.at(v), stored(v), h / group * v.strides()[1] + j * v.strides()[2] + c);
        }
        write(pack.at(o), stored(o), h * o.strides()[1] + t * o.strides()[2] + c, zeros ? 0 : float(value));
      }
      if (op.has(CUDNN_ATTR_OPERATION_SDPA_FWD_STATSDESC)) {
        const Descriptor& stats = op.child(CUDNN_ATTR_OPERATION_SDPA_FWD_STATSDESC);
        double statistic = base2 ? log2(sum) : log(sum);
        static_cast<float*>(pack.at(stats))[h * stats.strides()[1] + t * stats.strides()[2]] = zeros ? 0 : float(statistic);
      }
    }
  }
}

// What the host's memory says is read now, what the device's says when the stream gets there.
cudnnStatus_t attend(const Descriptor& op, const Pack& pack, void* workspace) {
  const Descriptor &q = op.child(CUDNN_ATTR_OPERATION_SDPA_FWD_QDESC), &k = op.child(CUDNN_ATTR_OPERATION_SDPA_FWD_KDESC),
                   &v = op.child(CUDNN_ATTR_OPERATION_SDPA_FWD_VDESC), &o = op.child(CUDNN_ATTR_OPERATION_SDPA_FWD_ODESC);
  for (const Descriptor* t : {&q, &k, &v, &o}) {
    if (!pack.at(*t) || reinterpret_cast<uintptr_t>(pack.at(*t)) % 16) return refused(BAD, "a pointer is missing or odd");
  }
  float scale = 1;
  if (op.has(CUDNN_ATTR_OPERATION_SDPA_FWD_SCALEDESC)) {
    scale = *static_cast<float*>(pack.at(op.child(CUDNN_ATTR_OPERATION_SDPA_FWD_SCALEDESC)));
  }
  bool causal = op.has(CUDNN_ATTR_OPERATION_SDPA_FWD_SUBGRAPH), from_the_end = false;
  if (causal) {
    const Descriptor& mask = op.child(CUDNN_ATTR_OPERATION_SDPA_FWD_SUBGRAPH).child(CUDNN_ATTR_OPERATIONGRAPH_OPS);
    auto* below = static_cast<float*>(pack.at(mask.child(CUDNN_ATTR_OPERATION_DIAGONAL_BAND_MASK_BDESC)));
    if (!below || *below != -INFINITY) return refused(BAD, "what stands outside the band is not -infinity");
    // Without lengths the diagonal begins at the first key.
    from_the_end = mask.has(CUDNN_ATTR_OPERATION_DIAGONAL_BAND_MASK_SEQ_LEN_QDESC);
  }
  bool zeros = ordered("zeros", 0), base2 = ordered("base", 0) == 2;
  std::vector<const void*> touched{pack.at(q), pack.at(k), pack.at(v), pack.at(o), workspace};
  for (int a : {CUDNN_ATTR_OPERATION_SDPA_FWD_SEQ_LEN_QDESC, CUDNN_ATTR_OPERATION_SDPA_FWD_STATSDESC}) {
    if (op.has(a)) touched.push_back(pack.at(op.child(a)));
  }
  auto work = [=, &op, &q, &k, &v, &o] {
    memset(workspace, 0xff, WORKSPACE);
    compute(op, pack, q, k, v, o, scale, causal, from_the_end, zeros, base2);
  };
  executed++;
  return put(current, "cudnnBackendExecute", touched, work) ? refused(BAD, "the stream takes no work") : OK;
}

}  // namespace

#define API __attribute__((visibility("default")))

extern "C" {

API void fake_cudnn(const char* text) {
  orders = text;
  executed = 0;
}
API int fake_cudnn_executed() { return executed; }
API int fake_cudnn_alive() { return alive; }  // what was created and not destroyed

API size_t cudnnGetVersion() { return size_t(ordered("version", 92400)); }
API const char* cudnnGetErrorString(cudnnStatus_t) { return "CUDNN_STATUS_OF_THE_STUB"; }
API void cudnnGetLastErrorString(char* text, size_t size) {
  size_t n = std::min(size - 1, message.size());
  memcpy(text, message.data(), n);
  text[n] = 0;
}
API cudnnStatus_t cudnnCreate(cudnnHandle_t* handle) {
  *handle = reinterpret_cast<cudnnHandle_t>(&orders);
  int status = ordered("create", 0);
  if (!status) alive++;
  return status ? refused(cudnnStatus_t(status), "ordered so") : OK;
}
API cudnnStatus_t cudnnDestroy(cudnnHandle_t) {
  alive--;
  return OK;
}
API cudnnStatus_t cudnnSetStream(cudnnHandle_t, cudaStream_t stream) {
  current = stream;
  return stream ? OK : refused(BAD, "no stream");
}

API cudnnStatus_t cudnnBackendCreateDescriptor(cudnnBackendDescriptorType_t type, cudnnBackendDescriptor_t* descriptor) {
  if (type == CUDNN_BACKEND_OPERATION_SDPA_FWD_DESCRIPTOR && cudnnGetVersion() < 91300) return NOT_SUPPORTED;
  *descriptor = new Descriptor{type};
  alive++;
  return OK;
}
API cudnnStatus_t cudnnBackendDestroyDescriptor(cudnnBackendDescriptor_t descriptor) {
  delete static_cast<Descriptor*>(descriptor);
  alive--;
  return OK;
}
API cudnnStatus_t cudnnBackendSetAttribute(cudnnBackendDescriptor_t descriptor, cudnnBackendAttributeName_t attribute,
                                           cudnnBackendAttributeType_t type, int64_t count, const void* elements) {
  auto& d = *static_cast<Descriptor*>(descriptor);
  if (d.finalized || count < 1 || !elements) return refused(BAD, "set after finalize, or nothing");
  auto* bytes = static_cast<const char*>(elements);
  if (type == CUDNN_TYPE_BACKEND_DESCRIPTOR && d.type != CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR) {
    for (int64_t i = 0; i < count; i++) {
      if (!static_cast<Descriptor* const*>(elements)[i]->finalized) return refused(BAD, "a part is not finalized");
    }
  }
  d.attributes[attribute].assign(bytes, bytes + size_t(count) * size_of(type));
  return OK;
}
API cudnnStatus_t cudnnBackendGetAttribute(cudnnBackendDescriptor_t descriptor, cudnnBackendAttributeName_t attribute,
                                           cudnnBackendAttributeType_t, int64_t requested, int64_t* count, void* elements) {
  auto& d = *static_cast<Descriptor*>(descriptor);
  if (!d.finalized) return refused(BAD, "not finalized");
  if (attribute == CUDNN_ATTR_ENGINEHEUR_RESULTS) {
    *count = std::min<int64_t>(requested, ENGINES);
    for (int i = 0; i < *count; i++) {
      auto& config = *static_cast<Descriptor**>(elements)[i];
      config.engine = i;
      config.attributes[CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH] = d.attributes.at(CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH);
      config.finalized = true;
    }
    return OK;
  }
  if (attribute == CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE) {
    *count = 1;
    *static_cast<int64_t*>(elements) = WORKSPACE;
    return OK;
  }
  return refused(BAD, "no such attribute");
}
API cudnnStatus_t cudnnBackendFinalize(cudnnBackendDescriptor_t descriptor) {
  auto& d = *static_cast<Descriptor*>(descriptor);
  cudnnStatus_t status = OK;
  switch (d.type) {
    case CUDNN_BACKEND_TENSOR_DESCRIPTOR:
      for (int a : {CUDNN_ATTR_TENSOR_DATA_TYPE, CUDNN_ATTR_TENSOR_DIMENSIONS, CUDNN_ATTR_TENSOR_STRIDES,
                    CUDNN_ATTR_TENSOR_UNIQUE_ID, CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT}) {
        if (!d.has(a)) status = refused(BAD, "a tensor is not whole");
      }
      break;
    case CUDNN_BACKEND_OPERATION_SDPA_FWD_DESCRIPTOR: status = check_attention(d); break;
    case CUDNN_BACKEND_OPERATION_DIAGONAL_BAND_MASK_DESCRIPTOR: status = check_mask(d); break;
    case CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR: {
      const Descriptor& config = d.child(CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG);
      if (config.engine < ENGINES - ordered("plans", ENGINES))
        status = refused(NOT_SUPPORTED, "this engine does not compile");
      d.attributes[CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH] = config.attributes.at(CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH);
      break;
    }
    default: break;
  }
  d.finalized = status == OK;
  return status;
}
API cudnnStatus_t cudnnBackendExecute(cudnnHandle_t handle, cudnnBackendDescriptor_t plan, cudnnBackendDescriptor_t pack) {
  if (int status = ordered("execute", 0)) return refused(cudnnStatus_t(status), "ordered so");
  auto &p = *static_cast<Descriptor*>(plan), &v = *static_cast<Descriptor*>(pack);
  if (handle != reinterpret_cast<cudnnHandle_t>(&orders) || !p.finalized || !v.finalized) return refused(BAD, "not whole");
  void* workspace = *v.get<void*>(CUDNN_ATTR_VARIANT_PACK_WORKSPACE);
  if (!workspace) return refused(BAD, "no workspace");
  return attend(p.child(CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH).child(CUDNN_ATTR_OPERATIONGRAPH_OPS), Pack{v}, workspace);
}

}  // extern "C"
