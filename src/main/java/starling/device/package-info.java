/**
 * The seam between the model and what computes it: {@link starling.device.Device}, the operator
 * catalogue.
 */
package starling.device;
