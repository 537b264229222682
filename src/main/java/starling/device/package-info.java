/**
 * What a model is computed by: {@link starling.device.Device} lists the operators, and the other
 * types here are what they take. The devices themselves are in {@code starling.cpu} and {@code
 * starling.cuda}; {@code starling.Devices} opens them.
 */
package starling.device;
