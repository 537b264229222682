/**
 * NVIDIA's own libraries, used where they are there and never needed. {@link
 * starling.nvidia.LibraryGemm} is cuBLASLt and {@link starling.nvidia.LibraryAttention} is cuDNN in
 * place of one operator each; {@link starling.nvidia.Nvml} is asked for clocks. They know a device
 * as {@link starling.nvidia.LibraryHost} only.
 */
package starling.nvidia;
