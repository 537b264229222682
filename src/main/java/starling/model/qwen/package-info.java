/** Qwen2.5-VL: images of any size through a tower with windows, positions on three axes. */
package starling.model.qwen;
